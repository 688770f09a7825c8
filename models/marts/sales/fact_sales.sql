-- Questions read whole columns, or a span of days, or one order. The lines lie in the order of
-- their orders, so in that of their days: a BRIN index finds a span of days for 48 kB where a
-- B-tree takes 8 MB (1.2 M lines). Keys have no index: joining the dimensions to many lines never
-- uses one. Tests of new rows find them by their load; a B-tree, because they fill the gaps that
-- deleted rows left, all over the table.
--
-- A run rebuilds changed orders completely, because a line's share depends on the other lines of
-- its order. Lines whose order id did not cast are an order of their own, 0.
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='coalesce(sales_order_id, 0)',
        on_schema_change='append_new_columns',
        indexes=table_indexes([
            {'columns': ['order_date'], 'type': 'brin'},
            {'columns': ['sales_order_id']},
            {'columns': ['coalesce(sales_order_id, 0)']},
            {'columns': ['load_id']},
            {'columns': ['line_file_id']},
            {'columns': ['header_file_id']},
        ]),
        pre_hook="{{ in_one_snapshot() }}",
        post_hook=[
            "{{
                delete_where(
                    'line_file_id in (' ~ gone_files(
                        ref('stg_audit__files'), [
                            ref('stg_adventure_works__sales_order_detail'),
                            ref('stg_adventure_works__sales_order_header'),
                        ]
                    ) ~ ')'
                )
            }}",
            "{{ analyze_table() }}",
        ],
    )
}}

with

{% if is_incremental() %}
watermark as (

    select
        max(line_file_id) as line_file_id,
        coalesce(max(header_file_id), 0) as header_file_id
    from {{ this }}

),

-- Replaced, and no more in staging: what a load replaced since, the next run will stage.
gone_files as (

    {{
        gone_files(
            ref('stg_audit__files'), [
                ref('stg_adventure_works__sales_order_detail'),
                ref('stg_adventure_works__sales_order_header'),
            ]
        )
    }}

),

changed_orders as (

    select coalesce(sales_order_id, 0) as id
    from {{ ref('stg_adventure_works__sales_order_detail') }}
    where _file_id > (select watermark.line_file_id from watermark)
    union
    select coalesce(sales_order_id, 0) as id
    from {{ ref('stg_adventure_works__sales_order_header') }}
    where _file_id > (select watermark.header_file_id from watermark)
    union
    -- Orders with rows of a file that is gone.
    select coalesce(sales_order_id, 0) as id
    from {{ this }}
    where line_file_id in (select gone_files.file_id from gone_files)
    union
    select coalesce(sales_order_id, 0) as id
    from {{ this }}
    where header_file_id in (select gone_files.file_id from gone_files)
    union
    -- Orders whose keys point elsewhere now, or that still look for a customer or a product.
    select coalesce(sales.sales_order_id, 0) as id
    from {{ this }} as sales
    left join {{ ref('dim_customer') }} as customers
        on sales.customer_key = customers.customer_key
    left join {{ ref('dim_product') }} as products
        on sales.product_key = products.product_key
    where
        customers.customer_key is null
        or products.product_key is null
        or sales.person_key != customers.person_key
        or sales.customer_key = {{ unknown_key() }}
        or sales.product_key = {{ unknown_key() }}

),
{% endif %}

lines as (

    select
        sales_order_id,
        sales_order_detail_id,
        product_id,
        special_offer_id,
        order_qty,
        unit_price,
        unit_price_discount,
        line_total,
        _file_id,
        _load_id,
        -- A line without a total weighs nothing; what it reports stays NULL.
        coalesce(line_total, 0) as weight
    from {{ ref('stg_adventure_works__sales_order_detail') }}
    {% if is_incremental() %}
    where coalesce(sales_order_id, 0) in (select changed_orders.id from changed_orders)
    {% endif %}

),

orders as (

    select
        sales_order_id,
        sales_order_number,
        customer_id,
        order_status_id,
        order_date,
        due_date,
        ship_date,
        is_online_order,
        tax_amount,
        freight_amount,
        total_due,
        _file_id,
        _load_id
    from {{ ref('stg_adventure_works__sales_order_header') }}
    {% if is_incremental() %}
    where coalesce(sales_order_id, 0) in (select changed_orders.id from changed_orders)
    {% endif %}

),

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

weighted as (

    -- How much of the order lies before this line, and how much up to its end, out of what. Orders
    -- whose lines weigh nothing together count lines instead of money.
    select
        sales_order_id,
        sales_order_detail_id,
        product_id,
        special_offer_id,
        order_qty,
        unit_price,
        unit_price_discount,
        line_total,
        _file_id,
        _load_id,
        case
            when sum(weight) over whole_order = 0 then row_number() over line_by_line - 1
            else (sum(weight) over line_by_line) - weight
        end as weight_before,
        case
            when sum(weight) over whole_order = 0 then row_number() over line_by_line
            else sum(weight) over line_by_line
        end as weight_through,
        case
            when sum(weight) over whole_order = 0 then count(*) over whole_order
            else sum(weight) over whole_order
        end as weight_total
    from lines
    window
        whole_order as (partition by sales_order_id),
        line_by_line as (
            partition by sales_order_id
            order by sales_order_detail_id nulls last
            rows between unbounded preceding and current row
        )

),

final as (

    -- A line gets what the rounded running amount grows by: the parts add up to the header exactly,
    -- because the last line's running weight is the whole weight.
    select
        {{
            dbt_utils.generate_surrogate_key(
                ['weighted.sales_order_id', 'weighted.sales_order_detail_id']
            )
        }} as sales_key,
        weighted.sales_order_id,
        weighted.sales_order_detail_id,
        orders.sales_order_number,
        orders.order_date,
        orders.due_date,
        orders.ship_date,
        coalesce(customers.customer_key, {{ unknown_key() }}) as customer_key,
        coalesce(customers.person_key, {{ unknown_key() }}) as person_key,
        coalesce(products.product_key, {{ unknown_key() }}) as product_key,
        weighted.special_offer_id,
        orders.is_online_order,
        order_statuses.order_status,
        weighted.order_qty,
        weighted.unit_price,
        weighted.unit_price_discount,
        weighted.line_total,
        {{ running_share('orders.tax_amount', 'weighted') }} as tax_amount,
        {{ running_share('orders.freight_amount', 'weighted') }} as freight_amount,
        {{ running_share('orders.total_due', 'weighted') }} as total_due,
        weighted._file_id as line_file_id,
        orders._file_id as header_file_id,
        greatest(weighted._load_id, coalesce(orders._load_id, 0)) as load_id
    from weighted
    left join orders
        on weighted.sales_order_id = orders.sales_order_id
    left join customers
        on orders.customer_id = customers.customer_id
    left join products
        on weighted.product_id = products.product_id
    left join order_statuses
        on orders.order_status_id = order_statuses.order_status_id

)

select * from final
