with age_bands as (

    select * from {{ ref('age_bands') }}

),

unioned as (

    select
        {{ dbt_utils.generate_surrogate_key(['age_band']) }} as age_band_key,
        age_band,
        min_age,
        max_age
    from age_bands
    union all
    -- The unknown member: what a key with no match points at.
    select
        {{ unknown_key() }} as age_band_key,
        '(unknown)' as age_band,
        null as min_age,
        null as max_age

)

select * from unioned
