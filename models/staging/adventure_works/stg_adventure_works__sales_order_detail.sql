-- A table, because its values are cast once then and read often: by the fact, by quality, by tests.
-- A run renews the orders that new rows are of, and those that had rows of files that are gone.
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='coalesce(sales_order_id, 0)',
        on_schema_change='append_new_columns',
        indexes=table_indexes([
            {'columns': ['coalesce(sales_order_id, 0)']},
            {'columns': ['_file_id']},
            {'columns': ['_load_id']},
        ]),
        pre_hook="{{ in_one_snapshot() }}",
        post_hook=[
            "{{ delete_where('_file_id in (' ~ gone_files(ref('stg_audit__files')) ~ ')') }}",
            "{{ analyze_table() }}",
        ],
    )
}}
{%- set casts = [] -%}
{%- set key = {'sales_order_id': 'integer', 'sales_order_detail_id': 'integer'} -%}
{%- set landed = source('adventure_works', 'sales_order_detail') -%}

with

{% if is_incremental() %}
landed_orders as (

    {{ rows_of_changed_orders(landed, ref('stg_audit__files')) }}

),
{% set landed = 'landed_orders' %}
{% endif %}

source as (

    {{ newest_rows(landed, key=key, newest_by='modified_date') }}

),

typed as (

    select
        -- ids
        {{ try_cast_to('sales_order_id', 'integer', casts) }} as sales_order_id,
        {{ try_cast_to('sales_order_detail_id', 'integer', casts) }} as sales_order_detail_id,
        {{ try_cast_to('product_id', 'integer', casts) }} as product_id,
        {{ try_cast_to('special_offer_id', 'integer', casts) }} as special_offer_id,

        -- text
        {{ clean_text('carrier_tracking_number') }} as carrier_tracking_number,

        -- numbers
        {{ try_cast_to('order_qty', 'integer', casts) }} as order_qty,
        {{ try_cast_to('unit_price', 'numeric(19,4)', casts) }} as unit_price,
        {{ try_cast_to('unit_price_discount', 'numeric(19,4)', casts) }} as unit_price_discount,
        {{ try_cast_to('line_total', 'numeric(19,6)', casts) }} as line_total,

        -- dates
        {{ try_cast_to('modified_date', 'timestamp', casts, 'modified_at') }} as modified_at,

        -- as they came
        {{ raw_values(casts) }},

        -- lineage
        _file_id,
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source
    -- Each value is cast once: what is typed tells what was rejected.
    {{ optimization_fence() }}

),

renamed as (

    select
        -- ids
        sales_order_id,
        sales_order_detail_id,
        product_id,
        special_offer_id,

        -- text
        carrier_tracking_number,

        -- numbers
        order_qty,
        unit_price,
        unit_price_discount,
        line_total,

        -- dates
        modified_at,

        -- what did not cast
        {{ rejected_values(casts, record_key=key.keys(), raw='raw_') }} as rejected_values,

        -- lineage
        _file_id,
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from typed

)

select * from renamed
