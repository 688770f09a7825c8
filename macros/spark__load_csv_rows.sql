{# All rows in the one statement that makes the table: readers see the old seed, then the new one. #}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model['config'].get('column_types', {}) -%}
    {%- set rows -%}
        select
            {%- for name in agate_table.column_names %}
            cast({{ name }} as {{
                spark_type(types.get(name, adapter.convert_type(agate_table, loop.index0)))
            }}) as {{ name }}{{ ',' if not loop.last }}
            {%- endfor %}
        from values
            {%- for row in agate_table.rows %}
            (
                {%- for value in row -%}
                    {{ 'null' if value is none
                        else "'" ~ dbt.escape_single_quotes(value | string) ~ "'" }}
                    {{- ', ' if not loop.last }}
                {%- endfor -%}
            ){{ ',' if not loop.last }}
            {%- endfor %}
            as seed ({{ agate_table.column_names | join(', ') }})
    {%- endset -%}
    {%- set sql = create_table_as(False, this, rows) -%}
    {%- call statement('load_csv_rows') -%}
        {{ sql }}
    {%- endcall -%}
    {{ return(sql) }}
{%- endmacro %}
