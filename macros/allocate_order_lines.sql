{# The lines of orders with their shares of what the order has as a whole. Whoever wants only some
   orders must say so here: a condition on the result would not reach below the window functions. #}
{% macro allocate_order_lines(lines, orders, only_orders=none) -%}
    {%- set of_orders -%}
        {%- if only_orders -%}
            where {{ is_among('coalesce(sales_order_id, 0)', only_orders) }}
        {%- endif -%}
    {%- endset -%}
lines as (

    select
        sales_order_id,
        sales_order_detail_id,
        product_id,
        special_offer_id,
        order_qty,
        unit_price,
        unit_price_discount,
        line_total,
        -- A line without a total weighs nothing; what it reports stays NULL.
        coalesce(line_total, 0) as weight,
        _load_id
    from {{ lines }}
    {{ of_orders }}
    {{ optimization_fence() }}

),

orders as (

    select
        sales_order_id,
        sales_order_number,
        customer_id,
        order_status_id,
        order_date,
        due_date,
        ship_date,
        is_online_order,
        tax_amount,
        freight_amount,
        total_due,
        _load_id
    from {{ orders }}
    {{ of_orders }}
    {{ optimization_fence() }}

),

lines_weighted as (

    -- How much of the order lies before this line, and how much up to its end, out of what. Orders
    -- whose lines weigh nothing together count lines instead of money.
    select
        sales_order_id,
        sales_order_detail_id,
        product_id,
        special_offer_id,
        order_qty,
        unit_price,
        unit_price_discount,
        line_total,
        _load_id,
        case
            when sum(weight) over whole_order = 0 then row_number() over line_by_line - 1
            else sum(weight) over line_by_line - weight
        end as weight_before,
        case
            when sum(weight) over whole_order = 0 then row_number() over line_by_line
            else sum(weight) over line_by_line
        end as weight_through,
        case
            when sum(weight) over whole_order = 0 then count(*) over whole_order
            else sum(weight) over whole_order
        end as weight_total
    from lines
    window
        whole_order as (partition by sales_order_id),
        line_by_line as (
            partition by sales_order_id
            order by sales_order_detail_id nulls last
            rows between unbounded preceding and current row
        )

),

order_lines as (

    -- A line gets what the rounded running amount grows by: the parts add up to the header exactly,
    -- because the last line's running weight is the whole weight.
    select
        lines_weighted.sales_order_id,
        lines_weighted.sales_order_detail_id,
        orders.sales_order_number,
        orders.customer_id,
        lines_weighted.product_id,
        lines_weighted.special_offer_id,
        orders.order_status_id,
        orders.order_date,
        orders.due_date,
        orders.ship_date,
        orders.is_online_order,
        lines_weighted.order_qty,
        lines_weighted.unit_price,
        lines_weighted.unit_price_discount,
        lines_weighted.line_total,
        {{ running_share('orders.tax_amount', 'lines_weighted') }} as tax_amount,
        {{ running_share('orders.freight_amount', 'lines_weighted') }} as freight_amount,
        {{ running_share('orders.total_due', 'lines_weighted') }} as total_due,
        greatest(lines_weighted._load_id, coalesce(orders._load_id, 0)) as load_id
    from lines_weighted
    left join orders
        on lines_weighted.sales_order_id = orders.sales_order_id

)
{%- endmacro %}
