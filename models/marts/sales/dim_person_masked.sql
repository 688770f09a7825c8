-- What readers see of a person: nothing that names, reaches or pins down one. Its keys join the
-- star.

with persons as (

    select * from {{ ref('dim_person') }}

),

masked as (

    select
        person_key,
        business_entity_id,
        person_type,
        person_type_name,
        case
            -- The unknown member is nobody.
            when person_key = {{ unknown_key() }} then full_name
            else {{ initials(['first_name', 'last_name']) }}
        end as initials,
        cast(floor(extract(year from birth_date) / 10) * 10 as integer) as birth_decade,
        cast(extract(year from date_first_purchase) as integer) as first_purchase_year,
        total_children > 0 as has_children,
        number_cars_owned > 0 as has_car
    from persons

)

select * from masked
