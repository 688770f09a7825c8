with source as (

    select * from {{ source('adventure_works', 'customer') }}

),

renamed as (

    select
        -- ids
        {{ try_cast_to('customer_id', 'integer') }} as customer_id,
        {{ try_cast_to('person_id', 'integer') }} as person_id,
        {{ try_cast_to('store_id', 'integer') }} as store_id,
        {{ try_cast_to('territory_id', 'integer') }} as territory_id,

        -- text
        {{ clean_text('account_number') }} as account_number,

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
