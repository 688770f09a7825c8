with responses as (

    select
        fnlwgt,
        is_above_50k,
        is_duplicate,
        coalesce(education, '(unknown)') as education
    from {{ ref('fact_census_response') }}

),

summed as (

    select
        education,
        {{ income_summary() }}
    from responses
    group by education

)

select * from summed
