with transactions as (

    select * from {{ ref('fact_transaction') }}

),

condominiums as (

    select * from {{ ref('dim_condominium') }}

),

totals as (

    select
        condominiums.condominium_key,
        condominiums.condominium_id,
        condominiums.condominium_name,
        cast(sum(transactions.amount) as numeric(19, 2)) as total_amount,
        count(*) as transaction_count
    from transactions
    inner join condominiums
        on transactions.condominium_key = condominiums.condominium_key
    group by
        condominiums.condominium_key,
        condominiums.condominium_id,
        condominiums.condominium_name

)

select * from totals
