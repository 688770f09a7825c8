with sales as (

    select * from {{ ref('fact_sales') }}

),

daily as (

    select
        order_date,
        cast(sum(line_total) as numeric(19, 6)) as line_total,
        cast(sum(total_due) as numeric(19, 4)) as total_due,
        count(distinct sales_order_id) as order_count,
        sum(order_qty) as unit_count
    from sales
    where order_date is not null
    group by order_date

)

select * from daily
