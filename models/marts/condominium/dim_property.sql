with properties as (

    select * from {{ ref('stg_condominium__property') }}

),

known as (

    select
        {{ dbt_utils.generate_surrogate_key(['property_id']) }} as property_key,
        property_id,
        condominium_id,
        property_type,
        property_value
    from properties

),

unioned as (

    select * from known
    union all
    -- The unknown member: what a key with no match points at.
    select
        {{ unknown_key() }} as property_key,
        -1 as property_id,
        null as condominium_id,
        '(unknown)' as property_type,
        null as property_value

)

select * from unioned
