with breweries as (

    select * from {{ ref('dim_brewery') }}

),

counted as (

    select
        brewery_type,
        country,
        count(*) as brewery_count
    from breweries
    group by
        brewery_type,
        country

)

select * from counted
