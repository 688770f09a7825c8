{% macro spark_contract_value(column) -%}
    {%- set value = dbt.cast(column.name, column.data_type) -%}
    {%- for constraint in column.constraints -%}
        {%- if constraint.type != 'not_null' -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ "." ~ column.name ~ ": only not_null constraints are applied here"
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {%- if column.constraints -%}
        coalesce({{ value }}, raise_error('{{ model.name }}.{{ column.name }} is null'))
    {%- else -%}
        {{ value }}
    {%- endif -%}
{%- endmacro %}
