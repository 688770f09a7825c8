-- Which three states of each country have the most breweries in business? The countries with the
-- most breweries first.
--
-- Planned and closed ones are not in business. A tie is broken by the state's name.

with states as (

    select
        country,
        state_province,
        sum(brewery_count) as brewery_count
    from {{ ref('agg_breweries_by_type_country_and_state') }}
    where brewery_type not in ('planning', 'closed')
    group by
        country,
        state_province

),

ranked as (

    select
        country,
        state_province,
        brewery_count,
        sum(brewery_count) over (partition by country) as country_count,
        row_number() over (
            partition by country
            order by brewery_count desc, state_province asc nulls last
        ) as state_rank
    from states

)

select
    country,
    state_rank,
    state_province,
    brewery_count
from ranked
where state_rank <= 3
order by
    country_count desc,
    country asc nulls last,
    state_rank asc
