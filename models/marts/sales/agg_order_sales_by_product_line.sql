{{
    config(
        indexes=table_indexes([{'columns': ['order_date'], 'type': 'brin'}]),
    )
}}

with sales as (

    select * from {{ ref('fact_sales') }}

),

products as (

    select
        product_key,
        coalesce(product_line, '(none)') as product_line
    from {{ ref('dim_product') }}

),

customers as (

    select
        customer_key,
        territory_id
    from {{ ref('dim_customer') }}

),

summed as (

    select
        sales.sales_order_id,
        sales.order_date,
        sales.customer_key,
        sales.is_online_order,
        products.product_line,
        cast(sum(sales.order_qty) as bigint) as unit_count,
        cast(sum(sales.line_total) as numeric(19, 6)) as line_total,
        cast(sum(sales.total_due) as numeric(19, 4)) as total_due,
        count(*) as line_count
    from sales
    inner join products
        on sales.product_key = products.product_key
    where sales.order_date is not null
    group by
        sales.sales_order_id,
        sales.order_date,
        sales.customer_key,
        sales.is_online_order,
        products.product_line

),

final as (

    select
        summed.sales_order_id,
        summed.product_line,
        summed.order_date,
        summed.customer_key,
        customers.territory_id,
        summed.is_online_order,
        summed.line_count,
        summed.unit_count,
        summed.line_total,
        summed.total_due,
        row_number() over (
            partition by summed.sales_order_id order by summed.product_line
        ) = 1 as is_first_of_order
    from summed
    inner join customers
        on summed.customer_key = customers.customer_key

)

select * from final
