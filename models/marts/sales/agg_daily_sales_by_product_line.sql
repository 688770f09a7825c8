select
    order_date,
    product_line,
    territory_id,
    is_online_order,
    cast(sum(unit_count) as bigint) as unit_count,
    cast(sum(line_total) as numeric(19, 6)) as line_total,
    cast(sum(total_due) as numeric(19, 4)) as total_due,
    count(*) as order_count,
    count(case when is_first_of_order then 1 end) as whole_order_count
from {{ ref('agg_order_sales_by_product_line') }}
group by
    order_date,
    product_line,
    territory_id,
    is_online_order
