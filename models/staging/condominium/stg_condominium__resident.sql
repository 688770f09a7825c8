with source as (

    select * from {{ source('condominium', 'moradores') }}

),

renamed as (

    select
        -- ids
        _source_row as resident_id,
        {{ try_cast_to('condominio_id', 'bigint') }} as condominium_id,

        -- text
        {{ clean_text('nome') }} as resident_name,

        -- dates
        {{ try_cast_to('data_registro', 'date') }} as registration_date,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
