{% macro rejected_values(checked_values) -%}
with checked_values as (

    select * from {{ checked_values }}

),

rejected as (

    select
        source,
        feed,
        source_file,
        source_line,
        load_id,
        record_key,
        column_name,
        expected_type,
        value
    from checked_values
    where column_name is not null

)

select * from rejected
{%- endmacro %}
