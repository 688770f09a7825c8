-- Every run makes the table anew, by the same SQL.
{{ config(tags=['full_run']) }}

with orders as (

    select
        order_date,
        sales_order_id,
        sum(order_qty) as unit_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from {{ ref('fact_sales') }}
    where order_date is not null
    group by
        order_date,
        sales_order_id

),

days as (

    select
        order_date,
        count(*) as order_count,
        sum(unit_count) as unit_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from orders
    group by order_date

),

daily as (

    select * from {{ ref('agg_daily_sales') }}

)

select
    days.order_date as fact_day,
    daily.order_date as daily_day,
    days.total_due as fact_total_due,
    daily.total_due as daily_total_due
from days
full outer join daily
    on days.order_date = daily.order_date
where
    daily.order_count is distinct from days.order_count
    or daily.unit_count is distinct from days.unit_count
    or daily.line_total is distinct from days.line_total
    or daily.total_due is distinct from days.total_due
