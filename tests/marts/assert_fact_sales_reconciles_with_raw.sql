-- Line by line: none is missing or too many, and each says what its raw line says.

with

{% if 'adventure_works' in var('tested_loads') %}
new_orders as (

    select coalesce(sales_order_id, 0) as id
    from {{ ref('fact_sales') }}
    where {{ is_new('adventure_works', 'load_id') }}
    union
    select coalesce(sales_order_id, 0) as id
    from {{ ref('stg_adventure_works__sales_order_detail') }}
    where {{ is_new('adventure_works', '_load_id') }}

),
{% endif %}

products as (

    select
        product_key,
        product_id
    from {{ ref('dim_product') }}

),

raw_lines as (

    select
        product_id,
        special_offer_id,
        order_qty,
        unit_price,
        unit_price_discount,
        line_total,
        coalesce(sales_order_id, 0) as order_id,
        coalesce(sales_order_detail_id, 0) as line_id
    from {{ ref('stg_adventure_works__sales_order_detail') }}
    {% if 'adventure_works' in var('tested_loads') %}
    where coalesce(sales_order_id, 0) in (select new_orders.id from new_orders)
    {% endif %}

),

expected as (

    select
        raw_lines.*,
        coalesce(products.product_key, {{ unknown_key() }}) as product_key
    from raw_lines
    left join products
        on raw_lines.product_id = products.product_id

),

actual as (

    select
        product_key,
        special_offer_id,
        order_qty,
        unit_price,
        unit_price_discount,
        line_total,
        coalesce(sales_order_id, 0) as order_id,
        coalesce(sales_order_detail_id, 0) as line_id
    from {{ ref('fact_sales') }}
    {% if 'adventure_works' in var('tested_loads') %}
    where coalesce(sales_order_id, 0) in (select new_orders.id from new_orders)
    {% endif %}

)

select
    expected.order_id as raw_order_id,
    expected.line_id as raw_line_id,
    actual.order_id as fact_order_id,
    actual.line_id as fact_line_id,
    expected.product_key as raw_product_key,
    actual.product_key as fact_product_key,
    expected.unit_price as raw_unit_price,
    actual.unit_price as fact_unit_price,
    expected.line_total as raw_line_total,
    actual.line_total as fact_line_total
from expected
full outer join actual
    on
        expected.order_id = actual.order_id
        and expected.line_id = actual.line_id
where
    expected.order_id is null
    or actual.order_id is null
    or expected.product_key != actual.product_key
    or expected.special_offer_id is distinct from actual.special_offer_id
    or expected.order_qty is distinct from actual.order_qty
    or expected.unit_price is distinct from actual.unit_price
    or expected.unit_price_discount is distinct from actual.unit_price_discount
    or expected.line_total is distinct from actual.line_total
