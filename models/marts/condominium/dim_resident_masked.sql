-- What readers see of a resident: nothing that names or pins down one. Its keys join the star.

with residents as (

    select * from {{ ref('dim_resident') }}

),

masked as (

    select
        resident_key,
        resident_id,
        condominium_id,
        case
            -- The unknown member is nobody.
            when resident_key = {{ unknown_key() }} then resident_name
            else {{ initials(['resident_name']) }}
        end as initial,
        cast(extract(year from registration_date) as integer) as registration_year
    from residents

)

select * from masked
