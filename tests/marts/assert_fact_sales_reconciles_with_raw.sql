with raw_lines as (

    select
        count(*) as line_count,
        sum({{ try_cast_to('line_total', 'numeric(19,6)') }}) as line_total
    from {{ source('adventure_works', 'sales_order_detail') }}

),

raw_orders as (

    select sum({{ try_cast_to('total_due', 'numeric(19,4)') }}) as total_due
    from {{ source('adventure_works', 'sales_order_header') }}

),

fact as (

    select
        count(*) as line_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from {{ ref('fact_sales') }}

)

select
    raw_lines.line_count as raw_line_count,
    fact.line_count as fact_line_count,
    raw_lines.line_total as raw_line_total,
    fact.line_total as fact_line_total,
    raw_orders.total_due as raw_total_due,
    fact.total_due as fact_total_due
from fact
cross join raw_lines
cross join raw_orders
where
    fact.line_count is distinct from raw_lines.line_count
    or fact.line_total is distinct from raw_lines.line_total
    or fact.total_due is distinct from raw_orders.total_due
