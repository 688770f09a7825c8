-- A view: right as soon as the fact is, and a tick has nothing to build.
{{ config(materialized='view') }}

with responses as (

    select
        education_key,
        fnlwgt,
        is_above_50k,
        is_duplicate
    from {{ ref('fact_census_response') }}

),

education as (

    select * from {{ ref('dim_education') }}

),

summed as (

    select
        education_key,
        {{ income_summary() }}
    from responses
    group by education_key

),

named as (

    select
        summed.education_key,
        education.education,
        education.education_num,
        education.education_stage,
        summed.response_count,
        summed.distinct_response_count,
        summed.above_50k_count,
        summed.share_above_50k,
        summed.weight_total,
        summed.weight_above_50k,
        summed.weighted_share_above_50k
    from summed
    inner join education
        on summed.education_key = education.education_key

)

select * from named
