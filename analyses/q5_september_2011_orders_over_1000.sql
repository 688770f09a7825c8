-- Question 5: which orders of September 2011 came to more than 1,000 in all? Highest first.
--
-- TotalDue of an order is the sum over its lines: its allocated parts add up to the header exactly.

select
    sales_order_id,
    order_date,
    sum(total_due) as total_due
from {{ ref('fact_sales') }}
where
    order_date >= cast('2011-09-01' as date)
    and order_date < cast('2011-10-01' as date)
group by
    sales_order_id,
    order_date
having sum(total_due) > 1000
order by
    total_due desc,
    sales_order_id asc
