-- Orders first, days then: to count the distinct orders of a day, Postgres would sort all lines.

with orders as (

    select
        order_date,
        sales_order_id,
        sum(line_total) as line_total,
        sum(total_due) as total_due,
        sum(order_qty) as unit_count
    from {{ ref('fact_sales') }}
    where order_date is not null
    group by
        order_date,
        sales_order_id

),

daily as (

    select
        order_date,
        cast(sum(line_total) as numeric(19, 6)) as line_total,
        cast(sum(total_due) as numeric(19, 4)) as total_due,
        cast(sum(unit_count) as bigint) as unit_count,
        count(sales_order_id) as order_count
    from orders
    group by order_date

)

select * from daily
