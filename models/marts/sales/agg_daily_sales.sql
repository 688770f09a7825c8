select
    order_date,
    cast(sum(line_total) as numeric(19, 6)) as line_total,
    cast(sum(total_due) as numeric(19, 4)) as total_due,
    cast(sum(order_qty) as bigint) as unit_count,
    count(distinct sales_order_id) as order_count
from {{ ref('fact_sales') }}
where order_date is not null
group by order_date
