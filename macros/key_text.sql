{% macro key_text(column, type) -%}
    coalesce(
        cast({{ try_cast_to(column, type) }} as {{ dbt.type_string() }}),
        {{ clean_text(column) }},
        ''
    )
{%- endmacro %}
