with source as (

    select * from {{ source('condominium', 'condominios') }}

),

renamed as (

    select
        -- ids
        _source_row as condominium_id,

        -- text
        {{ clean_text('nome') }} as condominium_name,
        {{ clean_text('endereco') }} as address,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
