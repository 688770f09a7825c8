-- Order by order: raw = the fact + the orders listed as without lines, to the last digit, with the
-- same customer and the same days.

with

{% if 'adventure_works' in var('tested_loads') %}
new_orders as (

    select coalesce(sales_order_id, 0) as id
    from {{ ref('fact_sales') }}
    where {{ is_new('adventure_works', 'load_id') }}
    union
    select coalesce(sales_order_id, 0) as id
    from {{ ref('stg_adventure_works__sales_order_header') }}
    where {{ is_new('adventure_works', '_load_id') }}

),
{% endif %}

customers as (

    select
        customer_key,
        customer_id,
        person_key
    from {{ ref('dim_customer') }}

),

headers as (

    select
        sales_order_id,
        customer_id,
        order_date,
        due_date,
        ship_date,
        tax_amount,
        freight_amount,
        total_due
    from {{ ref('stg_adventure_works__sales_order_header') }}
    {% if 'adventure_works' in var('tested_loads') %}
    where coalesce(sales_order_id, 0) in (select new_orders.id from new_orders)
    {% endif %}

),

expected as (

    select
        headers.*,
        coalesce(customers.customer_key, {{ unknown_key() }}) as customer_key,
        coalesce(customers.person_key, {{ unknown_key() }}) as person_key
    from headers
    left join customers
        on headers.customer_id = customers.customer_id

),

sales as (

    select
        sales_order_id,
        sum(tax_amount) as tax_amount,
        sum(freight_amount) as freight_amount,
        sum(total_due) as total_due,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date,
        min(due_date) as first_due_date,
        max(due_date) as last_due_date,
        min(ship_date) as first_ship_date,
        max(ship_date) as last_ship_date,
        min(customer_key) as first_customer_key,
        max(customer_key) as last_customer_key,
        min(person_key) as first_person_key,
        max(person_key) as last_person_key
    from {{ ref('fact_sales') }}
    {% if 'adventure_works' in var('tested_loads') %}
    where coalesce(sales_order_id, 0) in (select new_orders.id from new_orders)
    {% endif %}
    group by sales_order_id

),

listed as (

    select
        sales_order_id,
        sum(tax_amount) as tax_amount,
        sum(freight_amount) as freight_amount,
        sum(total_due) as total_due,
        count(*) as order_count
    from {{ ref('dq_orders_without_lines') }}
    group by sales_order_id

),

compared as (

    select
        expected.sales_order_id,
        expected.tax_amount as raw_tax_amount,
        expected.freight_amount as raw_freight_amount,
        expected.total_due as raw_total_due,
        coalesce(sales.tax_amount, listed.tax_amount) as tax_amount,
        coalesce(sales.freight_amount, listed.freight_amount) as freight_amount,
        coalesce(sales.total_due, listed.total_due) as total_due,
        sales.sales_order_id is not null as has_lines,
        listed.order_count is not null as is_listed,
        (
            expected.order_date is distinct from sales.first_order_date
            or expected.order_date is distinct from sales.last_order_date
            or expected.due_date is distinct from sales.first_due_date
            or expected.due_date is distinct from sales.last_due_date
            or expected.ship_date is distinct from sales.first_ship_date
            or expected.ship_date is distinct from sales.last_ship_date
        ) as has_other_days,
        (
            expected.customer_key is distinct from sales.first_customer_key
            or expected.customer_key is distinct from sales.last_customer_key
            or expected.person_key is distinct from sales.first_person_key
            or expected.person_key is distinct from sales.last_person_key
        ) as has_another_customer
    from expected
    left join sales
        on expected.sales_order_id = sales.sales_order_id
    left join listed
        on expected.sales_order_id = listed.sales_order_id
    where expected.sales_order_id is not null

)

select *
from compared
where
    has_lines = is_listed
    or raw_tax_amount is distinct from tax_amount
    or raw_freight_amount is distinct from freight_amount
    or raw_total_due is distinct from total_due
    or (has_lines and (has_other_days or has_another_customer))
