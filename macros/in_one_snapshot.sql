{% macro in_one_snapshot() -%}
    {{ return(adapter.dispatch('in_one_snapshot')()) }}
{%- endmacro %}

{% macro default__in_one_snapshot() -%}
{%- endmacro %}

{% macro postgres__in_one_snapshot() -%}
    set transaction isolation level repeatable read
{%- endmacro %}
