with source as (

    select * from {{ source('adventure_works', 'sales_order_detail') }}

),

renamed as (

    select
        -- ids
        {{ try_cast_to('sales_order_id', 'integer') }} as sales_order_id,
        {{ try_cast_to('sales_order_detail_id', 'integer') }} as sales_order_detail_id,
        {{ try_cast_to('product_id', 'integer') }} as product_id,
        {{ try_cast_to('special_offer_id', 'integer') }} as special_offer_id,

        -- text
        {{ clean_text('carrier_tracking_number') }} as carrier_tracking_number,

        -- numbers
        {{ try_cast_to('order_qty', 'integer') }} as order_qty,
        {{ try_cast_to('unit_price', 'numeric(19,4)') }} as unit_price,
        {{ try_cast_to('unit_price_discount', 'numeric(19,4)') }} as unit_price_discount,
        {{ try_cast_to('line_total', 'numeric(19,6)') }} as line_total,

        -- dates
        {{ try_cast_to('modified_date', 'timestamp') }} as modified_at,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
