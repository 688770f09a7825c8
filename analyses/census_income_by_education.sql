-- Census: which share earns more than 50,000 US dollars, by level of education? Counted in records,
-- and in the people whom they stand for.

select
    education,
    response_count,
    share_above_50k,
    weighted_share_above_50k
from {{ ref('agg_income_by_education') }}
order by
    education_num desc nulls last,
    education asc
