{%- set casts = [] -%}

with source as (

    select * from {{ source('open_brewery', 'breweries') }}

),

renamed as (

    select
        -- ids
        {{ clean_text('id') }} as brewery_id,

        -- text
        {{ clean_text('name') }} as brewery_name,
        {{ clean_text('brewery_type') }} as brewery_type,
        {{ clean_text('address_1') }} as address_1,
        {{ clean_text('address_2') }} as address_2,
        {{ clean_text('address_3') }} as address_3,
        {{ clean_text('city') }} as city,
        {{ clean_text('state_province') }} as state_province,
        {{ clean_text('postal_code') }} as postal_code,
        {{ clean_text('country') }} as country,
        {{ clean_text('phone') }} as phone,
        {{ clean_text('website_url') }} as website_url,

        -- numbers
        {{ try_cast_to('longitude', 'numeric(20,17)', casts) }} as longitude,
        {{ try_cast_to('latitude', 'numeric(20,17)', casts) }} as latitude,

        -- what did not cast
        {{ rejected_values(casts, record_key=['id']) }} as rejected_values,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
