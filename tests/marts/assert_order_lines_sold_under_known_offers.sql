{{ config(severity='warn') }}

select
    fact.sales_order_id,
    fact.sales_order_detail_id,
    fact.special_offer_id,
    fact.product_key
from {{ ref('fact_sales') }} as fact
left join {{ ref('bridge_special_offer_product') }} as offers
    on
        fact.special_offer_id = offers.special_offer_id
        and fact.product_key = offers.product_key
where offers.special_offer_id is null
