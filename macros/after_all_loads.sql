{% macro after_all_loads() -%}
    9223372036854775807
{%- endmacro %}
