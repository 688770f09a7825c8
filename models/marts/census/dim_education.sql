with education_levels as (

    select * from {{ ref('education_levels') }}

),

unioned as (

    select
        {{ dbt_utils.generate_surrogate_key(['education']) }} as education_key,
        education,
        education_num,
        education_stage
    from education_levels
    union all
    -- The unknown member: what a key with no match points at.
    select
        {{ unknown_key() }} as education_key,
        '(unknown)' as education,
        null as education_num,
        '(unknown)' as education_stage

)

select * from unioned
