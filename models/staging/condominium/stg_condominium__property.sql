{%- set casts = [] -%}

with source as (

    select * from {{ source('condominium', 'imoveis') }}

),

renamed as (

    select
        -- ids
        _source_row as property_id,
        {{ try_cast_to('condominio_id', 'bigint', casts) }} as condominium_id,

        -- text
        {{ clean_text('tipo') }} as property_type,

        -- numbers
        {{ try_cast_to('valor', 'numeric(19,2)', casts) }} as property_value,

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
