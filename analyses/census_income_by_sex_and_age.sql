-- Census: at the same age, which share of women and of men earns more than 50,000 US dollars?

with responses as (

    select
        age_band,
        sex,
        is_above_50k
    from {{ ref('fact_census_response') }}
    where
        age_band is not null
        and is_above_50k is not null

)

select
    age_band,
    round(
        count(*) filter (where sex = 'Female' and is_above_50k) * 1.0
        / nullif(count(*) filter (where sex = 'Female'), 0),
        4
    ) as women_share_above_50k,
    round(
        count(*) filter (where sex = 'Male' and is_above_50k) * 1.0
        / nullif(count(*) filter (where sex = 'Male'), 0),
        4
    ) as men_share_above_50k,
    count(*) as response_count
from responses
group by age_band
order by age_band asc
