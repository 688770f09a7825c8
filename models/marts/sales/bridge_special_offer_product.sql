with offered_products as (

    select * from {{ ref('stg_adventure_works__special_offer_product') }}

),

products as (

    select
        product_key,
        product_id
    from {{ ref('dim_product') }}

),

final as (

    select
        offered_products.special_offer_id,
        coalesce(products.product_key, {{ unknown_key() }}) as product_key,
        offered_products.product_id
    from offered_products
    left join products
        on offered_products.product_id = products.product_id

)

select * from final
