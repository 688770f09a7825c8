with responses as (

    select
        fnlwgt,
        is_above_50k,
        is_duplicate,
        coalesce(occupation, '(unknown)') as occupation
    from {{ ref('fact_census_response') }}

),

summed as (

    select
        occupation,
        {{ income_summary() }}
    from responses
    group by occupation

)

select * from summed
