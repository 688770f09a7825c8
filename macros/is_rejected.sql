{% macro is_rejected(column, type) -%}
    (not {{ can_cast_to(column, type) }} and {{ clean_text(column) }} is not null)
{%- endmacro %}
