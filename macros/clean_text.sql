{% macro clean_text(column) -%}
    {{ return(adapter.dispatch('clean_text')(column)) }}
{%- endmacro %}

{% macro postgres__clean_text(column) -%}
    nullif(nullif(btrim({{ column }}, e' \t\r\n'), ''), 'NULL')
{%- endmacro %}

{% macro spark__clean_text(column) -%}
    nullif(nullif(trim(both ' \t\r\n' from {{ column }}), ''), 'NULL')
{%- endmacro %}
