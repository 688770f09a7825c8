-- As analyses/sales_at_list_price joins it: the version that was valid when the day of the order
-- began. Versions of one product do not overlap, so no line is there twice.

with sales as (

    select
        sales_key,
        sales_order_id,
        order_date,
        customer_key,
        product_key,
        is_online_order,
        order_qty,
        line_total,
        load_id
    from {{ ref('fact_sales') }}

),

product_versions as (

    select
        product_key,
        standard_cost,
        valid_from,
        valid_to
    from {{ ref('dim_product_history') }}

),

costed as (

    select
        sales.sales_key,
        sales.sales_order_id,
        sales.order_date,
        sales.customer_key,
        sales.product_key,
        sales.is_online_order,
        sales.order_qty,
        sales.line_total,
        product_versions.standard_cost,
        cast(sales.order_qty * product_versions.standard_cost as numeric(19, 4)) as cost_amount,
        sales.load_id
    from sales
    left join product_versions
        on
            sales.product_key = product_versions.product_key
            and sales.order_date >= product_versions.valid_from
            and sales.order_date < product_versions.valid_to

),

final as (

    select
        sales_key,
        sales_order_id,
        order_date,
        customer_key,
        product_key,
        is_online_order,
        order_qty,
        line_total,
        standard_cost,
        cost_amount,
        cast(line_total - cost_amount as numeric(19, 6)) as margin_amount,
        load_id
    from costed

)

select * from final
