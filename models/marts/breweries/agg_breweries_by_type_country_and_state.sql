with breweries as (

    select * from {{ ref('dim_brewery') }}

),

counted as (

    select
        brewery_type,
        country,
        state_province,
        count(*) as brewery_count
    from breweries
    group by
        brewery_type,
        country,
        state_province

)

select * from counted
