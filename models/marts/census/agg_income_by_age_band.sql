with responses as (

    select
        fnlwgt,
        is_above_50k,
        is_duplicate,
        coalesce(age_band, '(unknown)') as age_band
    from {{ ref('fact_census_response') }}

),

summed as (

    select
        age_band,
        {{ income_summary() }}
    from responses
    group by age_band

)

select * from summed
