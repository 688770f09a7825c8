-- What readers see of a customer: persons by their initials. Its keys join the star.

with customers as (

    select * from {{ ref('dim_customer') }}

),

persons as (

    select
        person_key,
        initials
    from {{ ref('dim_person_masked') }}

),

masked as (

    select
        customers.customer_key,
        customers.customer_id,
        customers.person_key,
        customers.person_id,
        customers.store_id,
        customers.territory_id,
        customers.account_number,
        customers.customer_type,
        case
            -- No person, so the name is that of a store, or of the unknown member.
            when customers.person_key = {{ unknown_key() }} then customers.customer_name
            else persons.initials
        end as masked_name,
        customers.modified_at
    from customers
    left join persons
        on customers.person_key = persons.person_key

)

select * from masked
