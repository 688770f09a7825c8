{# One statement replaces the table, so readers never miss it, and a query that fails leaves the old
   one. The columns' comments reach it through a temporary view that it is made from: in the
   statement itself there is no place for them, and one statement for each column would take longer
   than the query. Nothing but this view casts to a contract's types and refuses nulls: dbt-spark
   only compares the names of types, and would let a decimal(38,4) pass for a decimal(19,4).

   Temporary views are global. Of the others, the Thrift server looks at each again whenever a
   connection closes, and fails that if somebody drops one just then. #}
{% macro spark__create_table_as(temporary, relation, compiled_code, language='sql') -%}
    {%- if temporary -%}
        create or replace global temporary view {{ relation.identifier }} as
        {{ compiled_code }}
    {%- else -%}
        {%- set has_contract = config.get('contract').enforced -%}
        {%- if has_contract -%}
            {%- do get_assert_columns_equivalent(compiled_code) -%}
            {%- set names = model.columns.keys() | list -%}
        {%- else -%}
            {%- set names = get_columns_in_query(compiled_code) -%}
        {%- endif -%}
        {%- set view = relation.schema ~ '__' ~ relation.identifier -%}
        {%- call statement('create_view_of_table') -%}
            create or replace global temporary view {{ view }} (
                {{ get_persist_docs_column_list(model.columns, names) }}
            ) as
            {% if has_contract -%}
            select
                {%- for column in model.columns.values() %}
                {{ spark_contract_value(column) }} as {{ column.name }}{{ ',' if not loop.last }}
                {%- endfor %}
            from (
                {{ compiled_code }}
            ) as model_query
            {%- else -%}
            {{ compiled_code }}
            {%- endif %}
        {%- endcall -%}
        create or replace table {{ relation }}
        using iceberg
        {{ partition_cols(label='partitioned by') }}
        {{ tblproperties_clause() }}
        {{ comment_clause() }}
        as select * from global_temp.{{ view }}
    {%- endif -%}
{%- endmacro %}
