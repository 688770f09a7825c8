-- Question 3: how many orders has each customer placed? Customers with orders, by name.
--
-- Counted per customer, never per name: two people can share one. The name is first, middle and
-- last name, as the question has always been answered: without the suffix that `full_name` ends in.

with orders as (

    select distinct
        customer_key,
        sales_order_id
    from {{ ref('fact_sales') }}

),

customer_orders as (

    select
        customer_key,
        count(*) as order_qty
    from orders
    group by customer_key

),

named as (

    select
        customers.person_id,
        customer_orders.order_qty,
        coalesce(
            nullif(
                concat_ws(' ', persons.first_name, persons.middle_name, persons.last_name), ''
            ),
            customers.customer_name
        ) as name
    from customer_orders
    inner join {{ ref('dim_customer') }} as customers
        on customer_orders.customer_key = customers.customer_key
    inner join {{ ref('dim_person') }} as persons
        on customers.person_key = persons.person_key

)

select
    person_id,
    name,
    order_qty
from named
order by order_qty desc, name asc nulls last, person_id asc nulls last
