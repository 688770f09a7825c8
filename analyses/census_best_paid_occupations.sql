-- Census: in which occupations do most people earn more than 50,000 US dollars?

select
    occupation,
    response_count,
    share_above_50k,
    weighted_share_above_50k
from {{ ref('agg_income_by_occupation') }}
order by
    weighted_share_above_50k desc nulls last,
    occupation asc
