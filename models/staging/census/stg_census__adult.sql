{%- set casts = [] -%}

with source as (

    select * from {{ source('census', 'adult') }}

),

renamed as (

    select
        -- ids
        {{
            dbt_utils.generate_surrogate_key(['_source_file', '_source_row'])
        }} as census_response_key,

        -- text
        {{ clean_text('workclass', '?') }} as workclass,
        {{ clean_text('education', '?') }} as education,
        {{ clean_text('marital_status', '?') }} as marital_status,
        {{ clean_text('occupation', '?') }} as occupation,
        {{ clean_text('relationship', '?') }} as relationship,
        {{ clean_text('race', '?') }} as race,
        {{ clean_text('sex', '?') }} as sex,
        {{ clean_text('native_country', '?') }} as native_country,
        -- In Adult.test the classes end in a dot.
        trim(trailing '.' from {{ clean_text('income_class', '?') }}) as income_class,

        -- numbers
        {{ try_cast_to('age', 'integer', casts) }} as age,
        {{ try_cast_to('fnlwgt', 'bigint', casts) }} as fnlwgt,
        {{ try_cast_to('education_num', 'integer', casts) }} as education_num,
        {{ try_cast_to('capital_gain', 'integer', casts) }} as capital_gain,
        {{ try_cast_to('capital_loss', 'integer', casts) }} as capital_loss,
        {{ try_cast_to('hours_per_week', 'integer', casts) }} as hours_per_week,

        -- content, for finding duplicates: the cleaned text, because a value that does not cast is
        -- not the same as another that does not
        {{
            dbt_utils.generate_surrogate_key([
                clean_text('age', '?'),
                clean_text('workclass', '?'),
                clean_text('fnlwgt', '?'),
                clean_text('education', '?'),
                clean_text('education_num', '?'),
                clean_text('marital_status', '?'),
                clean_text('occupation', '?'),
                clean_text('relationship', '?'),
                clean_text('race', '?'),
                clean_text('sex', '?'),
                clean_text('capital_gain', '?'),
                clean_text('capital_loss', '?'),
                clean_text('hours_per_week', '?'),
                clean_text('native_country', '?'),
                "trim(trailing '.' from " ~ clean_text('income_class', '?') ~ ")",
            ])
        }} as content_hash,

        -- what did not cast
        {{ rejected_values(casts, null_marker='?') }} as rejected_values,

        -- lineage
        _source_file,
        _source_line,
        _source_row,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
