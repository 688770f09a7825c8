with versions as (

    select
        'customer' as entity,
        customer_key as entity_key,
        valid_from,
        valid_to
    from {{ ref('dim_customer_history') }}
    union all
    select
        'product' as entity,
        product_key as entity_key,
        valid_from,
        valid_to
    from {{ ref('dim_product_history') }}

),

followed as (

    select
        entity,
        entity_key,
        valid_from,
        valid_to,
        lead(valid_from) over (
            partition by entity, entity_key
            order by valid_from
        ) as next_valid_from
    from versions

)

select * from followed
where valid_from >= valid_to or next_valid_from < valid_to
