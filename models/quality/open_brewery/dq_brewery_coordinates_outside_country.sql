with breweries as (

    select * from {{ ref('int_breweries_cleaned') }}

),

outside as (

    select
        brewery_id,
        brewery_name,
        city,
        state_province,
        country,
        longitude,
        latitude,
        is_inside_if_swapped
    from breweries
    where is_outside_country

)

select * from outside
