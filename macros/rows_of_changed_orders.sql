{% macro rows_of_changed_orders(relation, files) -%}
    {%- set order_id = 'coalesce(' ~ try_cast_to('sales_order_id', 'integer') ~ ', 0)' -%}
    with changed_orders as (
        select {{ order_id }} as id
        from {{ relation }}
        where _file_id > (select coalesce(max(staged._file_id), 0) from {{ this }} as staged)
        union
        select coalesce(staged.sales_order_id, 0) as id
        from {{ this }} as staged
        where staged._file_id in ({{ gone_files(files) }})
    )

    select *
    from {{ relation }}
    where {{ is_among(order_id, 'changed_orders') }}
{%- endmacro %}
