with residents as (

    select * from {{ ref('stg_condominium__resident') }}

),

known as (

    select
        {{ dbt_utils.generate_surrogate_key(['resident_id']) }} as resident_key,
        resident_id,
        condominium_id,
        resident_name,
        registration_date
    from residents

),

unioned as (

    select * from known
    union all
    -- The unknown member: what a key with no match points at.
    select
        {{ unknown_key() }} as resident_key,
        -1 as resident_id,
        null as condominium_id,
        '(unknown)' as resident_name,
        null as registration_date

)

select * from unioned
