-- Questions read whole columns, or a span of days, or one order. The lines lie in the order of
-- their orders, so in that of their days: a BRIN index finds a span of days for 48 kB where a
-- B-tree takes 8 MB (1.2 M lines). Keys have no index: joining the dimensions to many lines never
-- uses one.
--
-- A run recomputes the orders of which something is new, whole, because a line's share depends on
-- the others. load_id tells: it is that of the newest raw row behind a line. Lines whose order id
-- did not cast are an order of their own, 0.
--
-- depends_on: {{ ref('stg_adventure_works__sales_order_detail') }}
-- depends_on: {{ ref('stg_adventure_works__sales_order_header') }}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='coalesce(sales_order_id, 0)',
        on_schema_change='append_new_columns',
        indexes=table_indexes([
            {'columns': ['order_date'], 'type': 'brin'},
            {'columns': ['sales_order_id']},
        ]),
        pre_hook="{{ in_one_snapshot() }}",
        post_hook=[
            "{{ delete_vanished(ref('stg_adventure_works__sales_order_detail')) }}",
            "{{ analyze_table() }}",
        ],
    )
}}

with

{% if is_incremental() %}
seen as (

    select coalesce(max(load_id), 0) as load_id from {{ this }}

),

changed_orders as (

    select coalesce(sales_order_id, 0) as id
    from {{ ref('stg_adventure_works__sales_order_detail') }}
    where _load_id > (select seen.load_id from seen)
    union
    select coalesce(sales_order_id, 0) as id
    from {{ ref('stg_adventure_works__sales_order_header') }}
    where _load_id > (select seen.load_id from seen)
    union
    -- Orders that have no header any more, since a new file of all headers came without them; whose
    -- keys point elsewhere now; or that still look for a customer or product.
    select coalesce(sales.sales_order_id, 0) as id
    from {{ this }} as sales
    left join {{ ref('dim_customer') }} as customers
        on sales.customer_key = customers.customer_key
    left join {{ ref('dim_product') }} as products
        on sales.product_key = products.product_key
    where
        sales.load_id < (
            select coalesce(min(headers._load_id), {{ after_all_loads() }})
            from {{ ref('stg_adventure_works__sales_order_header') }} as headers
        )
        or customers.customer_key is null
        or products.product_key is null
        or sales.person_key != customers.person_key
        or sales.customer_key = {{ unknown_key() }}
        or sales.product_key = {{ unknown_key() }}

),

{{
    allocate_order_lines(
        ref('stg_adventure_works__sales_order_detail'),
        ref('stg_adventure_works__sales_order_header'),
        only_orders='changed_orders',
    )
}},
{% else %}
order_lines as (

    select * from {{ ref('int_sales_order_lines_allocated') }}

),
{% endif %}

customers as (

    select
        customer_key,
        customer_id,
        person_key
    from {{ ref('dim_customer') }}

),

products as (

    select
        product_key,
        product_id
    from {{ ref('dim_product') }}

),

order_statuses as (

    select
        order_status_id,
        order_status
    from {{ ref('order_statuses') }}

),

final as (

    select
        {{
            dbt_utils.generate_surrogate_key(
                ['order_lines.sales_order_id', 'order_lines.sales_order_detail_id']
            )
        }} as sales_key,
        order_lines.sales_order_id,
        order_lines.sales_order_detail_id,
        order_lines.sales_order_number,
        order_lines.order_date,
        order_lines.due_date,
        order_lines.ship_date,
        coalesce(customers.customer_key, {{ unknown_key() }}) as customer_key,
        coalesce(customers.person_key, {{ unknown_key() }}) as person_key,
        coalesce(products.product_key, {{ unknown_key() }}) as product_key,
        order_lines.special_offer_id,
        order_lines.is_online_order,
        order_statuses.order_status,
        order_lines.order_qty,
        order_lines.unit_price,
        order_lines.unit_price_discount,
        order_lines.line_total,
        order_lines.tax_amount,
        order_lines.freight_amount,
        order_lines.total_due,
        order_lines.load_id
    from order_lines
    left join customers
        on order_lines.customer_id = customers.customer_id
    left join products
        on order_lines.product_id = products.product_id
    left join order_statuses
        on order_lines.order_status_id = order_statuses.order_status_id

)

select * from final
