{% macro unknown_key() -%}
    'unknown'
{%- endmacro %}
