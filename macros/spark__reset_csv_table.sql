{# load_csv_rows replaces the table. #}
{% macro spark__reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {{ return('') }}
{%- endmacro %}
