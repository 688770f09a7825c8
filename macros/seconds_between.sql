{% macro seconds_between(first, last) -%}
    {{ return(adapter.dispatch('seconds_between')(first, last)) }}
{%- endmacro %}

{% macro default__seconds_between(first, last) -%}
    cast(extract(epoch from {{ last }} - {{ first }}) as double precision)
{%- endmacro %}

{% macro spark__seconds_between(first, last) -%}
    (unix_micros({{ last }}) - unix_micros({{ first }})) / 1000000.0D
{%- endmacro %}
