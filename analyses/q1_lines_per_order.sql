-- Question 1: how many detail lines does each order have, for orders with at least three?

select
    sales_order_id,
    count(*) as line_count
from {{ ref('fact_sales') }}
group by sales_order_id
having count(*) >= 3
order by sales_order_id
