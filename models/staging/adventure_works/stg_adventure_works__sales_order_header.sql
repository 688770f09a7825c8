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
{%- set key = {'sales_order_id': 'integer'} -%}
{%- set landed = source('adventure_works', 'sales_order_header') -%}

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
        {{ try_cast_to('customer_id', 'integer', casts) }} as customer_id,
        {{ try_cast_to('sales_person_id', 'integer', casts) }} as sales_person_id,
        {{ try_cast_to('territory_id', 'integer', casts) }} as territory_id,
        {{ try_cast_to('bill_to_address_id', 'integer', casts) }} as bill_to_address_id,
        {{ try_cast_to('ship_to_address_id', 'integer', casts) }} as ship_to_address_id,
        {{ try_cast_to('ship_method_id', 'integer', casts) }} as ship_method_id,
        {{ try_cast_to('credit_card_id', 'integer', casts) }} as credit_card_id,
        {{ try_cast_to('currency_rate_id', 'integer', casts) }} as currency_rate_id,
        {{ try_cast_to('status', 'integer', casts, 'order_status_id') }} as order_status_id,

        -- text
        {{ clean_text('sales_order_number') }} as sales_order_number,
        {{ clean_text('purchase_order_number') }} as purchase_order_number,
        {{ clean_text('account_number') }} as account_number,
        {{ clean_text('comment') }} as comment,

        -- numbers
        {{ try_cast_to('revision_number', 'integer', casts) }} as revision_number,
        {{ try_cast_to('sub_total', 'numeric(19,4)', casts) }} as sub_total,
        {{ try_cast_to('tax_amt', 'numeric(19,4)', casts, 'tax_amount') }} as tax_amount,
        {{ try_cast_to('freight', 'numeric(19,4)', casts, 'freight_amount') }} as freight_amount,
        {{ try_cast_to('total_due', 'numeric(19,4)', casts) }} as total_due,

        -- flags
        {{
            try_cast_to('online_order_flag', 'boolean', casts, 'is_online_order')
        }} as is_online_order,

        -- dates
        {{ try_cast_to('order_date', 'date', casts) }} as order_date,
        {{ try_cast_to('due_date', 'date', casts) }} as due_date,
        {{ try_cast_to('ship_date', 'date', casts) }} as ship_date,
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
        customer_id,
        sales_person_id,
        territory_id,
        bill_to_address_id,
        ship_to_address_id,
        ship_method_id,
        credit_card_id,
        currency_rate_id,
        order_status_id,

        -- text
        sales_order_number,
        purchase_order_number,
        account_number,
        comment,

        -- numbers
        revision_number,
        sub_total,
        tax_amount,
        freight_amount,
        total_due,

        -- flags
        is_online_order,

        -- dates
        order_date,
        due_date,
        ship_date,
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
