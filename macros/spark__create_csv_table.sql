{# load_csv_rows makes the table. #}
{% macro spark__create_csv_table(model, agate_table) -%}
    {{ return('') }}
{%- endmacro %}
