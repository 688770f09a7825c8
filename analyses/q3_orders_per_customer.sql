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

named as (

    -- Named first, counted then: how many customers there are is known of the dimension, not of the
    -- orders, and decides how Postgres joins.
    select
        customers.customer_key,
        customers.person_id,
        coalesce(
            nullif(
                concat_ws(' ', persons.first_name, persons.middle_name, persons.last_name), ''
            ),
            customers.customer_name
        ) as name
    from orders
    inner join {{ ref('dim_customer') }} as customers
        on orders.customer_key = customers.customer_key
    inner join {{ ref('dim_person') }} as persons
        on customers.person_key = persons.person_key

)

select
    person_id,
    name,
    count(*) as order_qty
from named
group by
    customer_key,
    person_id,
    name
order by order_qty desc, name asc nulls last, person_id asc nulls last
