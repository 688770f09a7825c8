-- Orders first, customers then: counting distinct orders would sort all lines.

with orders as (

    select
        customer_key,
        sales_order_id,
        min(order_date) as order_date,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from {{ ref('fact_sales') }}
    group by
        customer_key,
        sales_order_id

),

summed as (

    select
        customer_key,
        cast(sum(line_total) as numeric(19, 6)) as line_total,
        cast(sum(total_due) as numeric(19, 4)) as total_due,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        count(sales_order_id) as order_count
    from orders
    group by customer_key

)

select * from summed
