{%- set casts = [] -%}

with source as (

    select * from {{ source('condominium', 'transacoes') }}

),

renamed as (

    select
        -- ids
        _source_row as transaction_id,
        {{ try_cast_to('imovel_id', 'bigint', casts) }} as property_id,
        {{ try_cast_to('morador_id', 'bigint', casts) }} as resident_id,

        -- numbers
        {{ try_cast_to('valor_transacao', 'numeric(19,2)', casts) }} as amount,

        -- dates
        {{ try_cast_to('data_transacao', 'date', casts) }} as transaction_date,

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
