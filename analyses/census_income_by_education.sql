-- Census: which share earns more than 50,000 US dollars, by level of education? Counted in records,
-- and in the people whom they stand for.

select
    levels.education_stage,
    levels.education,
    incomes.response_count,
    incomes.share_above_50k,
    incomes.weighted_share_above_50k
from {{ ref('agg_income_by_education') }} as incomes
inner join {{ ref('dim_education') }} as levels
    on incomes.education = levels.education
order by
    levels.education_num desc nulls last,
    levels.education asc
