{% macro microseconds(time) -%}
    {{ return(adapter.dispatch('microseconds')(time)) }}
{%- endmacro %}

{% macro default__microseconds(time) -%}
    cast(extract(epoch from {{ time }}) * 1000000 as bigint)
{%- endmacro %}

{% macro spark__microseconds(time) -%}
    unix_micros({{ time }})
{%- endmacro %}
