{% macro clean_text(column, null_marker='NULL') -%}
    {{ return(adapter.dispatch('clean_text')(column, null_marker)) }}
{%- endmacro %}

{% macro postgres__clean_text(column, null_marker) -%}
    nullif(nullif(btrim({{ column }}, e' \t\r\n'), ''), '{{ null_marker }}')
{%- endmacro %}

{% macro spark__clean_text(column, null_marker) -%}
    nullif(nullif(trim(both ' \t\r\n' from {{ column }}), ''), '{{ null_marker }}')
{%- endmacro %}
