select
    order_date,
    cast(sum(line_total) as numeric(19, 6)) as line_total,
    cast(sum(total_due) as numeric(19, 4)) as total_due,
    cast(sum(unit_count) as bigint) as unit_count,
    cast(sum(whole_order_count) as bigint) as order_count
from {{ ref('agg_daily_sales_by_product_line') }}
group by order_date
