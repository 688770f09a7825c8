with daily as (

    select
        sum(order_count) as order_count,
        sum(unit_count) as unit_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from {{ ref('agg_daily_sales') }}

),

fact as (

    select
        count(distinct sales_order_id) as order_count,
        sum(order_qty) as unit_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from {{ ref('fact_sales') }}
    where order_date is not null

)

select
    daily.order_count as daily_order_count,
    fact.order_count as fact_order_count,
    daily.unit_count as daily_unit_count,
    fact.unit_count as fact_unit_count,
    daily.line_total as daily_line_total,
    fact.line_total as fact_line_total,
    daily.total_due as daily_total_due,
    fact.total_due as fact_total_due
from daily
cross join fact
where
    daily.order_count is distinct from fact.order_count
    or daily.unit_count is distinct from fact.unit_count
    or daily.line_total is distinct from fact.line_total
    or daily.total_due is distinct from fact.total_due
