with sales as (

    select
        product_key,
        customer_key,
        is_online_order,
        order_qty,
        line_total,
        cast({{ dbt.date_trunc('month', 'order_date') }} as date) as order_month
    from {{ ref('fact_sales') }}
    where order_date is not null

),

customers as (

    select
        customer_key,
        territory_id
    from {{ ref('dim_customer') }}

),

summed as (

    select
        sales.order_month,
        sales.product_key,
        customers.territory_id,
        sales.is_online_order,
        cast(sum(sales.order_qty) as bigint) as unit_count,
        cast(sum(sales.line_total) as numeric(19, 6)) as line_total
    from sales
    inner join customers
        on sales.customer_key = customers.customer_key
    group by
        sales.order_month,
        sales.product_key,
        customers.territory_id,
        sales.is_online_order

)

select * from summed
