with transactions as (

    select * from {{ ref('stg_condominium__transaction') }}

),

properties as (

    select
        property_key,
        property_id,
        condominium_id
    from {{ ref('dim_property') }}

),

residents as (

    select
        resident_key,
        resident_id
    from {{ ref('dim_resident') }}

),

condominiums as (

    select
        condominium_key,
        condominium_id
    from {{ ref('dim_condominium') }}

),

final as (

    select
        {{
            dbt_utils.generate_surrogate_key(['transactions.transaction_id'])
        }} as transaction_key,
        transactions.transaction_id,
        transactions.transaction_date,
        coalesce(properties.property_key, {{ unknown_key() }}) as property_key,
        coalesce(condominiums.condominium_key, {{ unknown_key() }}) as condominium_key,
        coalesce(residents.resident_key, {{ unknown_key() }}) as resident_key,
        transactions.property_id,
        transactions.resident_id,
        transactions.amount
    from transactions
    left join properties
        on transactions.property_id = properties.property_id
    left join condominiums
        on properties.condominium_id = condominiums.condominium_id
    left join residents
        on transactions.resident_id = residents.resident_id

)

select * from final
