{# As dbt's, but it does not fetch what such a statement returns: nothing. #}
{% macro spark__alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
    {%- if remove_columns -%}
        {{ exceptions.raise_compiler_error(relation ~ ": columns are not removed on Spark") }}
    {%- endif -%}
    {%- if add_columns -%}
        {%- call statement('add_columns') -%}
            alter table {{ relation }} add columns (
                {%- for column in add_columns %}
                {{ column.quoted }} {{ column.dtype }}{{ ',' if not loop.last }}
                {%- endfor %}
            )
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}
