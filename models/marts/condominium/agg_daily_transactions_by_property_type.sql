with transactions as (

    select * from {{ ref('fact_transaction') }}

),

properties as (

    select
        property_key,
        property_type
    from {{ ref('dim_property') }}

),

totals as (

    select
        transactions.transaction_date,
        properties.property_type,
        cast(sum(transactions.amount) as numeric(19, 2)) as total_amount,
        count(*) as transaction_count
    from transactions
    inner join properties
        on transactions.property_key = properties.property_key
    group by
        transactions.transaction_date,
        properties.property_type

)

select * from totals
