{% macro raw_values(casts) -%}
    {%- for column, _, _ in casts %}
        {{- column }} as raw_{{ column }}{{ ',\n        ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
