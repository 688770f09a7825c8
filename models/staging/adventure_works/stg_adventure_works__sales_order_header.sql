{%- set casts = [] -%}

with source as (

    {{
        newest_rows(
            source('adventure_works', 'sales_order_header'),
            key={'sales_order_id': 'integer'},
            newest_by='modified_date',
        )
    }}

),

renamed as (

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
        {{ try_cast_to('status', 'integer', casts) }} as order_status_id,

        -- text
        {{ clean_text('sales_order_number') }} as sales_order_number,
        {{ clean_text('purchase_order_number') }} as purchase_order_number,
        {{ clean_text('account_number') }} as account_number,
        {{ clean_text('comment') }} as comment,

        -- numbers
        {{ try_cast_to('revision_number', 'integer', casts) }} as revision_number,
        {{ try_cast_to('sub_total', 'numeric(19,4)', casts) }} as sub_total,
        {{ try_cast_to('tax_amt', 'numeric(19,4)', casts) }} as tax_amount,
        {{ try_cast_to('freight', 'numeric(19,4)', casts) }} as freight_amount,
        {{ try_cast_to('total_due', 'numeric(19,4)', casts) }} as total_due,

        -- flags
        {{ try_cast_to('online_order_flag', 'boolean', casts) }} as is_online_order,

        -- dates
        {{ try_cast_to('order_date', 'date', casts) }} as order_date,
        {{ try_cast_to('due_date', 'date', casts) }} as due_date,
        {{ try_cast_to('ship_date', 'date', casts) }} as ship_date,
        {{ try_cast_to('modified_date', 'timestamp', casts) }} as modified_at,

        -- what did not cast
        {{ rejected_values(casts, record_key=['sales_order_id']) }} as rejected_values,

        -- lineage
        _file_id,
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
