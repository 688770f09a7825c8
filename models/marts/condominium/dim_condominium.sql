with condominiums as (

    select * from {{ ref('stg_condominium__condominium') }}

),

known as (

    select
        {{ dbt_utils.generate_surrogate_key(['condominium_id']) }} as condominium_key,
        condominium_id,
        condominium_name,
        address
    from condominiums

),

unioned as (

    select * from known
    union all
    -- The unknown member: what a key with no match points at.
    select
        {{ unknown_key() }} as condominium_key,
        -1 as condominium_id,
        '(unknown)' as condominium_name,
        null as address

)

select * from unioned
