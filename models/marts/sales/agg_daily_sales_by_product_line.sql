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

-- An order is counted once for each of its product lines.
orders as (

    select
        sales.sales_order_id,
        sales.order_date,
        sales.customer_key,
        sales.is_online_order,
        products.product_line,
        sum(sales.order_qty) as unit_count,
        sum(sales.line_total) as line_total,
        sum(sales.total_due) as total_due
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

placed as (

    select
        orders.order_date,
        orders.product_line,
        customers.territory_id,
        orders.is_online_order,
        orders.unit_count,
        orders.line_total,
        orders.total_due,
        row_number() over (
            partition by orders.sales_order_id order by orders.product_line
        ) = 1 as is_first_of_order
    from orders
    inner join customers
        on orders.customer_key = customers.customer_key

),

summed as (

    select
        order_date,
        product_line,
        territory_id,
        is_online_order,
        cast(sum(unit_count) as bigint) as unit_count,
        cast(sum(line_total) as numeric(19, 6)) as line_total,
        cast(sum(total_due) as numeric(19, 4)) as total_due,
        count(*) as order_count,
        count(case when is_first_of_order then 1 end) as whole_order_count
    from placed
    group by
        order_date,
        product_line,
        territory_id,
        is_online_order

)

select * from summed
