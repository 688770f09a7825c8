-- A view: right as soon as the fact is, and a tick has nothing to build.
{{ config(materialized='view') }}

with responses as (

    select
        age_band_key,
        fnlwgt,
        is_above_50k,
        is_duplicate
    from {{ ref('fact_census_response') }}

),

age_bands as (

    select * from {{ ref('dim_age_band') }}

),

summed as (

    select
        age_band_key,
        {{ income_summary() }}
    from responses
    group by age_band_key

),

named as (

    select
        summed.age_band_key,
        age_bands.age_band,
        age_bands.min_age,
        summed.response_count,
        summed.distinct_response_count,
        summed.above_50k_count,
        summed.share_above_50k,
        summed.weight_total,
        summed.weight_above_50k,
        summed.weighted_share_above_50k
    from summed
    inner join age_bands
        on summed.age_band_key = age_bands.age_band_key

)

select * from named
