{{
    config(
        indexes=table_indexes([{'columns': ['brewery_key'], 'unique': true}]),
    )
}}

with breweries as (

    select * from {{ ref('int_breweries_cleaned') }}

),

final as (

    select
        {{ dbt_utils.generate_surrogate_key(['brewery_id']) }} as brewery_key,
        brewery_id,
        brewery_name,
        brewery_type,
        address_1,
        address_2,
        address_3,
        city,
        state_province,
        postal_code,
        country,
        phone,
        website_url,
        case when not is_outside_country then longitude end as longitude,
        case when not is_outside_country then latitude end as latitude
    from breweries

)

select * from final
