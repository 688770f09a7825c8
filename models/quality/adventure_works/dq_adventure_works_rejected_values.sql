with customer as (

    {{ list_rejected_values(ref('stg_adventure_works__customer'), 'adventure_works', 'customer') }}

),

person as (

    {{ list_rejected_values(ref('stg_adventure_works__person'), 'adventure_works', 'person') }}

),

product as (

    {{ list_rejected_values(ref('stg_adventure_works__product'), 'adventure_works', 'product') }}

),

sales_order_detail as (

    {{
        list_rejected_values(
            ref('stg_adventure_works__sales_order_detail'), 'adventure_works', 'sales_order_detail'
        )
    }}

),

sales_order_header as (

    {{
        list_rejected_values(
            ref('stg_adventure_works__sales_order_header'), 'adventure_works', 'sales_order_header'
        )
    }}

),

special_offer_product as (

    {{
        list_rejected_values(
            ref('stg_adventure_works__special_offer_product'), 'adventure_works', 'special_offer_product'
        )
    }}

),

unioned as (

    select * from customer
    union all
    select * from person
    union all
    select * from product
    union all
    select * from sales_order_detail
    union all
    select * from sales_order_header
    union all
    select * from special_offer_product

)

select * from unioned
