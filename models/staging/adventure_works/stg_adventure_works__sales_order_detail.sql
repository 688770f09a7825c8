{%- set casts = [] -%}

with source as (

    {{
        newest_rows(
            source('adventure_works', 'sales_order_detail'),
            key={'sales_order_id': 'integer', 'sales_order_detail_id': 'integer'},
            newest_by='modified_date',
        )
    }}

),

renamed as (

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
        {{ try_cast_to('modified_date', 'timestamp', casts) }} as modified_at,

        -- what did not cast
        {{
            rejected_values(casts, record_key=['sales_order_id', 'sales_order_detail_id'])
        }} as rejected_values,

        -- lineage
        _file_id,
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
