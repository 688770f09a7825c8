{% macro initials(columns) -%}
    nullif(
        concat_ws(
            ' '
            {%- for column in columns -%}
                , substring({{ column }}, 1, 1) || '.'
            {%- endfor -%}
        ), ''
    )
{%- endmacro %}
