{%- set casts = [] -%}

with source as (

    select * from {{ source('adventure_works', 'customer') }}

),

renamed as (

    select
        -- ids
        {{ try_cast_to('customer_id', 'integer', casts) }} as customer_id,
        {{ try_cast_to('person_id', 'integer', casts) }} as person_id,
        {{ try_cast_to('store_id', 'integer', casts) }} as store_id,
        {{ try_cast_to('territory_id', 'integer', casts) }} as territory_id,

        -- text
        {{ clean_text('account_number') }} as account_number,

        -- dates
        {{ try_cast_to('modified_date', 'timestamp', casts) }} as modified_at,

        -- what did not cast
        {{ rejected_values(casts, record_key=['customer_id']) }} as rejected_values,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
