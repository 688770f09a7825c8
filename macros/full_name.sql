{% macro full_name(person) -%}
    nullif(
            concat_ws(
                ' ',
                {{ person }}.first_name,
                {{ person }}.middle_name,
                {{ person }}.last_name,
                {{ person }}.suffix
            ), ''
        )
{%- endmacro %}
