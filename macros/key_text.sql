{% macro key_text(column, type) -%}
    coalesce(
        {% if type != 'text' -%}
        cast({{ try_cast_to(column, type) }} as {{ dbt.type_string() }}),
        {% endif -%}
        {{ clean_text(column) }},
        ''
    )
{%- endmacro %}
