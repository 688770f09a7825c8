with headers as (

    select
        sales_order_id,
        sales_order_number,
        order_date,
        customer_id,
        tax_amount,
        freight_amount,
        total_due,
        _source_file,
        _source_line,
        _load_id
    from {{ ref('stg_adventure_works__sales_order_header') }}

),

sales as (

    select sales_order_id from {{ ref('fact_sales') }}

),

without_lines as (

    select
        headers.sales_order_id,
        headers.sales_order_number,
        headers.order_date,
        headers.customer_id,
        headers.tax_amount,
        headers.freight_amount,
        headers.total_due,
        headers._source_file as source_file,
        headers._source_line as source_line,
        headers._load_id as load_id
    from headers
    where
        not exists (
            select 1 from sales
            where headers.sales_order_id = sales.sales_order_id
        )

)

select * from without_lines
