with breweries as (

    select * from {{ ref('stg_open_brewery__breweries') }}

),

state_variants as (

    select * from {{ ref('state_variants') }}

),

boxes as (

    select * from {{ ref('country_bounding_boxes') }}

),

joined as (

    select
        breweries.*,
        coalesce(state_variants.state_province, breweries.state_province) as state,
        -- A country that has no box here is somewhere on earth.
        coalesce(boxes.min_longitude, -180) as min_longitude,
        coalesce(boxes.max_longitude, 180) as max_longitude,
        coalesce(boxes.min_latitude, -90) as min_latitude,
        coalesce(boxes.max_latitude, 90) as max_latitude
    from breweries
    left join state_variants
        on
            breweries.country = state_variants.country
            and breweries.state_province = state_variants.state_variant
    left join boxes
        on breweries.country = boxes.country

),

cleaned as (

    select
        brewery_id,
        brewery_name,
        brewery_type,
        address_1,
        address_2,
        address_3,
        city,
        state as state_province,
        postal_code,
        country,
        website_url,
        longitude,
        latitude,
        -- What was read as a floating-point number once ends in its decimals.
        case
            when phone like '%.0' then substring(phone, 1, length(phone) - 2)
            else phone
        end as phone,
        longitude not between min_longitude and max_longitude
        or latitude not between min_latitude and max_latitude as is_outside_country,
        latitude between min_longitude and max_longitude
        and longitude between min_latitude and max_latitude as is_inside_if_swapped
    from joined

)

select * from cleaned
