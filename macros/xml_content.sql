{#
    Text functions, not a regular expression: 1 us for one element of a survey, not 12 to 20. Found
    from the end tag, without which the document is broken, and the value may be too.
#}
{% macro xml_content(column, tag) -%}
    split_part(split_part({{ column }}, '</{{ tag }}>', 1), '<{{ tag }}>', 2)
{%- endmacro %}
