{% macro optimization_fence() -%}
    {{ return(adapter.dispatch('optimization_fence')()) }}
{%- endmacro %}

{# It skips nothing, but Postgres never merges a query that has it into the one around it. #}
{% macro postgres__optimization_fence() -%}
    offset 0
{%- endmacro %}

{# Spark shares repeated expressions without help. #}
{% macro spark__optimization_fence() -%}
{%- endmacro %}
