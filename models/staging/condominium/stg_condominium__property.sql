with source as (

    select * from {{ source('condominium', 'imoveis') }}

),

renamed as (

    select
        -- ids
        _source_row as property_id,
        {{ try_cast_to('condominio_id', 'bigint') }} as condominium_id,

        -- text
        {{ clean_text('tipo') }} as property_type,

        -- numbers
        {{ try_cast_to('valor', 'numeric(19,2)') }} as property_value,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
