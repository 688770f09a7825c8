with responses as (

    select * from {{ ref('stg_census__adult') }}

),

education as (

    select
        education_key,
        education
    from {{ ref('dim_education') }}

),

age_bands as (

    select
        age_band,
        min_age,
        max_age
    from {{ ref('age_bands') }}

),

typed as (

    select
        responses.census_response_key,
        responses._source_file as source_file,
        responses._source_line as source_line,
        responses.age,
        age_bands.age_band,
        responses.workclass,
        responses.fnlwgt,
        coalesce(education.education_key, {{ unknown_key() }}) as education_key,
        responses.education,
        responses.education_num,
        responses.marital_status,
        responses.occupation,
        responses.relationship,
        responses.race,
        responses.sex,
        responses.capital_gain,
        responses.capital_loss,
        responses.hours_per_week,
        responses.native_country,
        responses.income_class,
        case responses.income_class
            when '>50K' then true
            when '<=50K' then false
        end as is_above_50k,
        responses.content_hash,
        responses._load_id as load_id
    from responses
    left join education
        on responses.education = education.education
    left join age_bands
        on
            responses.age >= age_bands.min_age
            and responses.age <= coalesce(age_bands.max_age, responses.age)

),

flagged as (

    select
        census_response_key,
        source_file,
        source_line,
        age,
        age_band,
        workclass,
        fnlwgt,
        education_key,
        education,
        education_num,
        marital_status,
        occupation,
        relationship,
        race,
        sex,
        capital_gain,
        capital_loss,
        hours_per_week,
        native_country,
        income_class,
        is_above_50k,
        content_hash,
        load_id,
        row_number() over (
            partition by content_hash
            order by source_file, source_line
        ) > 1 as is_duplicate
    from typed

)

select * from flagged
