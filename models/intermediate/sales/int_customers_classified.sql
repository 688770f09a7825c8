with customers as (

    select * from {{ ref('stg_adventure_works__customer') }}

),

classified as (

    select
        customer_id,
        person_id,
        store_id,
        territory_id,
        account_number,
        modified_at,
        _load_id as load_id,
        case
            when person_id is not null and store_id is null then 'individual'
            when person_id is null and store_id is not null then 'store'
            when person_id is not null and store_id is not null then 'store contact'
            else 'unknown'
        end as customer_type
    from customers

)

select * from classified
