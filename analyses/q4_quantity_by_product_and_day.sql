-- Question 4: how many units (sum of OrderQty) of each product were ordered on each day?

select
    products.product_id,
    sales.order_date,
    sum(sales.order_qty) as order_qty_total
from {{ ref('fact_sales') }} as sales
inner join {{ ref('dim_product') }} as products
    on sales.product_key = products.product_key
group by
    products.product_id,
    sales.order_date
order by
    order_qty_total desc nulls last,
    sales.order_date asc nulls last,
    products.product_id asc
