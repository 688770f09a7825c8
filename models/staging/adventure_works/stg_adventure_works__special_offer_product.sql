{%- set casts = [] -%}

with source as (

    select * from {{ source('adventure_works', 'special_offer_product') }}

),

renamed as (

    select
        -- ids
        {{ try_cast_to('special_offer_id', 'integer', casts) }} as special_offer_id,
        {{ try_cast_to('product_id', 'integer', casts) }} as product_id,

        -- dates
        {{ try_cast_to('modified_date', 'timestamp', casts) }} as modified_at,

        -- what did not cast
        {{
            rejected_values(casts, record_key=['special_offer_id', 'product_id'])
        }} as rejected_values,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
