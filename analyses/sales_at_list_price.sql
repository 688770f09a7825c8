-- What would the sales of each year have been at list price, the one that was valid on the day of
-- the order? Lines without a version of their product are counted, and left out of both sums.

with sales as (

    select
        dates.year,
        sales.line_total,
        sales.order_qty * products.list_price as list_total
    from {{ ref('fact_sales') }} as sales
    inner join {{ ref('dim_date') }} as dates
        on sales.order_date = dates.date_day
    left join {{ ref('dim_product_history') }} as products
        on
            sales.product_key = products.product_key
            and sales.order_date >= products.valid_from
            and sales.order_date < products.valid_to

)

select
    year,
    sum(line_total) filter (where list_total is not null) as line_total,
    sum(list_total) as list_total,
    count(*) filter (where list_total is null) as lines_without_price
from sales
group by year
order by year asc
