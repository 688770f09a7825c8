-- Question 2: which three products sold most (sum of OrderQty) within each DaysToManufacture, and
-- which three overall? Of the lines whose product is in their special offer.
--
-- The join goes by offer and product: by the offer alone, a line would count once for every product
-- in the offer. A tie is broken by product name, then by product.

with product_sales as (

    select
        products.product_id,
        products.product_name,
        products.days_to_manufacture,
        sum(sales.order_qty) as order_qty_total
    from {{ ref('fact_sales') }} as sales
    inner join {{ ref('dim_product') }} as products
        on sales.product_key = products.product_key
    inner join {{ ref('bridge_special_offer_product') }} as offers
        on
            sales.special_offer_id = offers.special_offer_id
            and products.product_id = offers.product_id
    group by
        products.product_id,
        products.product_name,
        products.days_to_manufacture

),

ranked as (

    select
        product_name,
        days_to_manufacture,
        order_qty_total,
        row_number() over (
            partition by days_to_manufacture
            order by order_qty_total desc nulls last, product_name asc nulls last, product_id asc
        ) as rank_per_days,
        row_number() over (
            order by order_qty_total desc nulls last, product_name asc nulls last, product_id asc
        ) as rank_overall
    from product_sales

),

answers as (

    select
        'per days_to_manufacture' as scope,
        days_to_manufacture,
        rank_per_days as rank,
        product_name as name,
        order_qty_total,
        1 as scope_order,
        days_to_manufacture as days_order
    from ranked
    where rank_per_days <= 3

    union all

    select
        'overall' as scope,
        days_to_manufacture,
        rank_overall as rank,
        product_name as name,
        order_qty_total,
        2 as scope_order,
        null as days_order
    from ranked
    where rank_overall <= 3

)

select
    scope,
    days_to_manufacture,
    rank,
    name,
    order_qty_total
from answers
order by scope_order, days_order nulls last, rank
