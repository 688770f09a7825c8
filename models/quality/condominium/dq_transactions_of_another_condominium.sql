with transactions as (

    select * from {{ ref('fact_transaction') }}

),

properties as (

    select
        property_key,
        condominium_id
    from {{ ref('dim_property') }}

),

residents as (

    select
        resident_key,
        condominium_id
    from {{ ref('dim_resident') }}

),

found as (

    select
        transactions.transaction_id,
        transactions.transaction_date,
        transactions.property_id,
        properties.condominium_id as property_condominium_id,
        transactions.resident_id,
        residents.condominium_id as resident_condominium_id,
        transactions.amount
    from transactions
    inner join properties
        on transactions.property_key = properties.property_key
    inner join residents
        on transactions.resident_key = residents.resident_key
    where properties.condominium_id != residents.condominium_id

)

select * from found
