with fact_orders as (

    select
        sales_order_id,
        sum(tax_amount) as tax_amount,
        sum(freight_amount) as freight_amount,
        sum(total_due) as total_due
    from {{ ref('fact_sales') }}
    group by sales_order_id

),

headers as (

    select
        sales_order_id,
        tax_amount,
        freight_amount,
        total_due
    from {{ ref('stg_adventure_works__sales_order_header') }}

)

select
    headers.sales_order_id,
    headers.tax_amount as header_tax_amount,
    fact_orders.tax_amount as fact_tax_amount,
    headers.freight_amount as header_freight_amount,
    fact_orders.freight_amount as fact_freight_amount,
    headers.total_due as header_total_due,
    fact_orders.total_due as fact_total_due
from headers
left join fact_orders
    on headers.sales_order_id = fact_orders.sales_order_id
where
    headers.tax_amount is distinct from fact_orders.tax_amount
    or headers.freight_amount is distinct from fact_orders.freight_amount
    or headers.total_due is distinct from fact_orders.total_due
