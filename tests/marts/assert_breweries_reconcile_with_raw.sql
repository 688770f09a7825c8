with counts as (

    select
        (select count(*) from {{ source('open_brewery', 'breweries') }}) as raw_count,
        (select count(*) from {{ ref('dim_brewery') }}) as dimension_count,
        (
            select coalesce(sum(brewery_count), 0)
            from {{ ref('agg_breweries_by_type_and_country') }}
        ) as country_count,
        (
            select coalesce(sum(brewery_count), 0)
            from {{ ref('agg_breweries_by_type_country_and_state') }}
        ) as state_count

)

select *
from counts
where
    raw_count <> dimension_count
    or raw_count <> country_count
    or raw_count <> state_count
