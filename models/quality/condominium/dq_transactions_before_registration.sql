with transactions as (

    select * from {{ ref('fact_transaction') }}

),

residents as (

    select
        resident_key,
        registration_date
    from {{ ref('dim_resident') }}

),

found as (

    select
        transactions.transaction_id,
        transactions.transaction_date,
        transactions.resident_id,
        residents.registration_date,
        transactions.amount
    from transactions
    inner join residents
        on transactions.resident_key = residents.resident_key
    where transactions.transaction_date < residents.registration_date

)

select * from found
