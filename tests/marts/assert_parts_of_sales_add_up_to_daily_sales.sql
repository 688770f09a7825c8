-- Every run makes the tables anew, by the same SQL.
{{ config(tags=['full_run']) }}

with daily as (

    select * from {{ ref('agg_daily_sales') }}

),

parts as (

    select
        order_date,
        sum(whole_order_count) as order_count,
        sum(unit_count) as unit_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from {{ ref('agg_daily_sales_by_product_line') }}
    group by order_date

),

products as (

    select
        order_month,
        sum(unit_count) as unit_count,
        sum(line_total) as line_total
    from {{ ref('agg_monthly_sales_by_product') }}
    group by order_month

),

months as (

    select
        cast({{ dbt.date_trunc('month', 'order_date') }} as date) as order_month,
        sum(unit_count) as unit_count,
        sum(line_total) as line_total
    from daily
    group by cast({{ dbt.date_trunc('month', 'order_date') }} as date)

)

select
    'agg_daily_sales_by_product_line' as wrong_table,
    coalesce(daily.order_date, parts.order_date) as since
from daily
full outer join parts
    on daily.order_date = parts.order_date
where
    daily.order_count is distinct from parts.order_count
    or daily.unit_count is distinct from parts.unit_count
    or daily.line_total is distinct from parts.line_total
    or daily.total_due is distinct from parts.total_due

union all

select
    'agg_monthly_sales_by_product' as wrong_table,
    coalesce(months.order_month, products.order_month) as since
from months
full outer join products
    on months.order_month = products.order_month
where
    months.unit_count is distinct from products.unit_count
    or months.line_total is distinct from products.line_total
