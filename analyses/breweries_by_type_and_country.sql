-- How many breweries of each type does each country have? Those planned and those closed too.

select
    country,
    brewery_type,
    brewery_count
from {{ ref('agg_breweries_by_type_and_country') }}
order by
    brewery_count desc,
    country asc nulls last,
    brewery_type asc nulls last
