{% macro is_rejected(column, type, null_marker='NULL') -%}
    (not {{ can_cast_to(column, type) }} and {{ clean_text(column, null_marker) }} is not null)
{%- endmacro %}
