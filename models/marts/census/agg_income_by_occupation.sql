-- A view: right as soon as the fact is, and a tick has nothing to build.
{{ config(materialized='view') }}

with responses as (

    select
        coalesce(occupation, '(unknown)') as occupation,
        fnlwgt,
        is_above_50k,
        is_duplicate
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
