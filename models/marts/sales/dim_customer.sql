-- Indexes: joins come by key, people by id. Statistics at once: the models downstream join it.
--
-- depends_on: {{ ref('stg_adventure_works__customer') }}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='customer_key',
        on_schema_change='append_new_columns',
        indexes=table_indexes([
            {'columns': ['customer_key'], 'unique': true},
            {'columns': ['customer_id']},
        ]),
        pre_hook="{{ in_one_snapshot() }}",
        post_hook=[
            "{{ delete_vanished(ref('stg_adventure_works__customer')) }}",
            "{{ analyze_table() }}",
        ],
    )
}}

with

{% if is_incremental() %}
seen as (

    select coalesce(max(load_id), 0) as load_id from {{ this }}

),

changed_customers as (

    select coalesce(customer_id, 0) as id
    from {{ ref('stg_adventure_works__customer') }}
    where _load_id > (select seen.load_id from seen)
    union
    -- Customers whose person has come, has gone, or goes by another name.
    select coalesce(customers.customer_id, 0) as id
    from {{ this }} as customers
    left join {{ ref('dim_person') }} as persons
        on customers.person_id = persons.business_entity_id
    where
        customers.person_key != coalesce(persons.person_key, {{ unknown_key() }})
        or customers.customer_name is distinct from coalesce(
            persons.full_name,
            'Store ' || cast(customers.store_id as {{ dbt.type_string() }})
        )

),
{% endif %}

customers as (

    select * from {{ ref('int_customers_classified') }}
    {% if is_incremental() %}
    where {{ is_among('coalesce(customer_id, 0)', 'changed_customers') }}
    {% endif %}

),

persons as (

    select
        person_key,
        business_entity_id,
        full_name
    from {{ ref('dim_person') }}

),

known as (

    select
        {{ dbt_utils.generate_surrogate_key(['customers.customer_id']) }} as customer_key,
        customers.customer_id,
        coalesce(persons.person_key, {{ unknown_key() }}) as person_key,
        customers.person_id,
        customers.store_id,
        customers.territory_id,
        customers.account_number,
        customers.customer_type,
        -- `||` with NULL is NULL: a customer that is neither has no name.
        coalesce(
            persons.full_name,
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
