{# dbt makes the table of a model with a contract first and then inserts into it; PostgreSQL runs no
   insert in parallel. `create table as` it does. #}
{% macro postgres__create_table_as(temporary, relation, sql) -%}
    {%- if temporary or not config.get('contract').enforced -%}
        {{ return(dbt.postgres__create_table_as(temporary, relation, sql)) }}
    {%- endif -%}
    {{ get_assert_columns_equivalent(sql) }}
    create table {{ relation }} as
    select
        {%- for column in model.columns.values() %}
        cast({{ column.name }} as {{ column.data_type }}) as {{ column.name }}
            {{- ',' if not loop.last }}
        {%- endfor %}
    from (
        {{ sql }}
    ) as model_query;
    {%- set not_null = [] -%}
    {%- for column in model.columns.values() -%}
        {%- for constraint in column.constraints -%}
            {%- if constraint.type != 'not_null' -%}
                {{ exceptions.raise_compiler_error(
                    model.name ~ "." ~ column.name ~ ": only not_null constraints are applied here"
                ) }}
            {%- endif -%}
            {%- do not_null.append('alter column ' ~ column.name ~ ' set not null') -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if not_null %}
    alter table {{ relation }} {{ not_null | join(', ') }};
    {%- endif %}
{%- endmacro %}
