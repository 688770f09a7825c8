{%- set casts = [] -%}

with source as (

    select * from {{ source('adventure_works', 'person') }}

),

renamed as (

    select
        -- ids
        {{ try_cast_to('business_entity_id', 'integer', casts) }} as business_entity_id,

        -- text
        {{ clean_text('person_type') }} as person_type,
        {{ clean_text('title') }} as title,
        {{ clean_text('first_name') }} as first_name,
        {{ clean_text('middle_name') }} as middle_name,
        {{ clean_text('last_name') }} as last_name,
        {{ clean_text('suffix') }} as suffix,
        {{ clean_text('demographics') }} as demographics,

        -- numbers
        {{ try_cast_to('email_promotion', 'integer', casts) }} as email_promotion,

        -- flags
        {{ try_cast_to('name_style', 'boolean', casts) }} as is_name_style_eastern,

        -- dates
        {{ try_cast_to('modified_date', 'timestamp', casts) }} as modified_at,

        -- what did not cast
        {{ rejected_values(casts, record_key=['business_entity_id']) }} as rejected_values,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
