-- The count agrees with raw and sales_key is unique (both tested): with this, each line is there
-- once.

select
    order_lines.sales_order_id,
    order_lines.sales_order_detail_id
from {{ ref('stg_adventure_works__sales_order_detail') }} as order_lines
left join {{ ref('fact_sales') }} as fact
    on
        order_lines.sales_order_id = fact.sales_order_id
        and order_lines.sales_order_detail_id = fact.sales_order_detail_id
where fact.sales_key is null
