-- Indexes: joins come by key, people by id. Statistics at once: the models downstream join it.
{{
    config(
        indexes=table_indexes([
            {'columns': ['customer_key'], 'unique': true},
            {'columns': ['customer_id']},
        ]),
        post_hook="{{ analyze_table() }}",
    )
}}

with customers as (

    select * from {{ ref('int_customers_classified') }}

),

-- Not dim_person: the fact waits for this dimension, and need not wait for parsed surveys.
persons as (

    select * from {{ ref('stg_adventure_works__person') }}

),

known as (

    select
        {{ dbt_utils.generate_surrogate_key(['customers.customer_id']) }} as customer_key,
        customers.customer_id,
        case
            when persons.business_entity_id is null then {{ unknown_key() }}
            else {{ dbt_utils.generate_surrogate_key(['persons.business_entity_id']) }}
        end as person_key,
        customers.person_id,
        customers.store_id,
        customers.territory_id,
        customers.account_number,
        customers.customer_type,
        -- `||` with NULL is NULL: a customer that is neither has no name.
        coalesce(
            {{ full_name('persons') }},
            'Store ' || cast(customers.store_id as {{ dbt.type_string() }})
        ) as customer_name,
        customers.modified_at,
        customers.load_id
    from customers
    left join persons
        on customers.person_id = persons.business_entity_id

),

unioned as (

    select * from known
    union all
    -- The unknown member: what a key with no match points at.
    select
        {{ unknown_key() }} as customer_key,
        -1 as customer_id,
        {{ unknown_key() }} as person_key,
        null as person_id,
        null as store_id,
        null as territory_id,
        null as account_number,
        'unknown' as customer_type,
        '(unknown)' as customer_name,
        null as modified_at,
        null as load_id

)

select * from unioned
