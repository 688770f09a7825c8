{%- set casts = [] -%}

with source as (

    select * from {{ source('condominium', 'moradores') }}

),

renamed as (

    select
        -- ids
        _source_row as resident_id,
        {{ try_cast_to('condominio_id', 'bigint', casts) }} as condominium_id,

        -- text
        {{ clean_text('nome') }} as resident_name,

        -- dates
        {{ try_cast_to('data_registro', 'date', casts) }} as registration_date,

        -- what did not cast
        {{ rejected_values(casts, record_key=['_source_row']) }} as rejected_values,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
