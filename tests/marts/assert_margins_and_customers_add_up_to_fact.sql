-- Views: what holds once for this code and history holds until a full run.
{{ config(tags=['full_run']) }}

with fact as (

    select
        count(*) as line_count,
        count(distinct sales_order_id) as order_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from {{ ref('fact_sales') }}

),

margins as (

    select
        count(*) as line_count,
        count(distinct sales_key) as key_count,
        sum(line_total) as line_total
    from {{ ref('int_sales_costed') }}

),

customers as (

    select
        sum(order_count) as order_count,
        sum(line_total) as line_total,
        sum(total_due) as total_due
    from {{ ref('int_customers_summed') }}

)

select
    fact.line_count,
    margins.line_count as margin_line_count,
    fact.line_total,
    margins.line_total as margin_line_total,
    customers.line_total as customer_line_total,
    fact.order_count,
    customers.order_count as customer_order_count
from fact
cross join margins
cross join customers
where
    margins.line_count is distinct from fact.line_count
    or margins.key_count is distinct from fact.line_count
    or margins.line_total is distinct from fact.line_total
    or customers.order_count is distinct from fact.order_count
    or customers.line_total is distinct from fact.line_total
    or customers.total_due is distinct from fact.total_due
