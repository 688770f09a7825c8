-- A run takes the records of new loads (a tick brings one), removes those that raw has no more, and
-- flags duplicates anew among all records that say the same as any of these.
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='census_response_key',
        on_schema_change='append_new_columns',
        pre_hook="{{ in_one_snapshot() }}",
        post_hook=[
            "{{ delete_vanished_parts(ref('stg_census__adult')) }}",
            "{{ analyze_table() }}",
        ],
    )
}}

with

{% if is_incremental() %}
landed_parts as (

    select distinct
        _source_file as source_file,
        _load_id as load_id
    from {{ ref('stg_census__adult') }}

),

built_parts as (

    select distinct
        source_file,
        load_id
    from {{ this }}

),

new_loads as (

    select distinct landed_parts.load_id as id
    from landed_parts
    left join built_parts
        on
            landed_parts.source_file = built_parts.source_file
            and landed_parts.load_id = built_parts.load_id
    where built_parts.load_id is null

),

kept_parts as (

    select
        source_file,
        load_id
    from landed_parts
    where load_id not in (select new_loads.id from new_loads)

),
{% endif %}

responses as (

    select * from {{ ref('stg_census__adult') }}
    {% if is_incremental() %}
    where {{ is_among('_load_id', 'new_loads') }}
    {% endif %}

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

{% if is_incremental() %}
built as (

    select
        responses.*,
        kept_parts.load_id is not null as is_kept
    from {{ this }} as responses
    left join kept_parts
        on
            responses.source_file = kept_parts.source_file
            and responses.load_id = kept_parts.load_id

),

touched_contents as (

    select content_hash from typed
    union
    select content_hash from built
    where not is_kept

),
{% endif %}

records as (

    select * from typed
    {% if is_incremental() %}
    union all
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
        load_id
    from built
    where
        is_kept
        and content_hash in (select touched_contents.content_hash from touched_contents)
    {% endif %}

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
    from records

)

select * from flagged
