with source as (

    select * from {{ source('adventure_works', 'special_offer_product') }}

),

renamed as (

    select
        -- ids
        {{ try_cast_to('special_offer_id', 'integer') }} as special_offer_id,
        {{ try_cast_to('product_id', 'integer') }} as product_id,

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
