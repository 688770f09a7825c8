with responses as (

    select
        fnlwgt,
        is_above_50k,
        is_duplicate,
        coalesce(sex, '(unknown)') as sex
    from {{ ref('fact_census_response') }}

),

summed as (

    select
        sex,
        {{ income_summary() }}
    from responses
    group by sex

)

select * from summed
