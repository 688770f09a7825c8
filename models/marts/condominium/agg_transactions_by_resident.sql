with transactions as (

    select * from {{ ref('fact_transaction') }}

),

residents as (

    select
        resident_key,
        resident_id
    from {{ ref('dim_resident') }}

),

totals as (

    select
        residents.resident_key,
        residents.resident_id,
        cast(sum(transactions.amount) as numeric(19, 2)) as total_amount,
        count(*) as transaction_count
    from transactions
    inner join residents
        on transactions.resident_key = residents.resident_key
    group by
        residents.resident_key,
        residents.resident_id

)

select * from totals
