-- The fences make each expression run once per row. Without them Postgres moves the casts of the
-- staging views to where the columns are used: several times per line, a header's once per line.

with

{{
    allocate_order_lines(
        ref('stg_adventure_works__sales_order_detail'),
        ref('stg_adventure_works__sales_order_header'),
    )
}}

select * from order_lines
