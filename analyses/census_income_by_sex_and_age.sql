-- Census: at the same age, which share of women and of men earns more than 50,000 US dollars?

with responses as (

    select
        age_bands.age_band,
        age_bands.min_age,
        responses.sex,
        responses.is_above_50k
    from {{ ref('fact_census_response') }} as responses
    inner join {{ ref('dim_age_band') }} as age_bands
        on responses.age_band_key = age_bands.age_band_key
    where responses.is_above_50k is not null

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
group by
    age_band,
    min_age
order by min_age asc nulls last
