{# A `where` such as `load_id > __tested_load_of_adventure_works__` limits a generic test to what came
   after the load up to which the source was tested; without one (var tested_loads) the test sees
   the whole table. Whether a key is unique cannot be seen from new rows alone: there, all rows with
   a key that occurs in a new row are looked at. #}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where') or '' -%}
    {%- set placeholder = modules.re.search('__tested_load_of_([a-z0-9_]+?)__', where) -%}
    {%- if not placeholder -%}
        {{ return(dbt.default__get_where_subquery(relation)) }}
    {%- endif -%}
    {%- set tested_loads = var('tested_loads', {}) -%}
    {%- if placeholder.group(1) not in tested_loads -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set condition = where.replace(
        placeholder.group(0), tested_loads[placeholder.group(1)] | string
    ) -%}
    {%- set test = model.test_metadata -%}
    {%- set key = [test.kwargs.column_name] if test.name == 'unique'
        else test.kwargs.get('combination_of_columns', []) -%}
    {%- set of_key = [] -%}
    {%- for column in key -%}
        {%- do of_key.append('new_rows.' ~ column ~ ' = all_rows.' ~ column) -%}
    {%- endfor -%}
    {%- set filtered -%}
        (
            select * from {{ relation }} as all_rows
            where
            {%- if key %}
                exists (
                    select 1
                    from {{ relation }} as new_rows
                    where new_rows.{{ condition }} and {{ of_key | join(' and ') }}
                )
            {%- else %}
                {{ condition }}
            {%- endif %}
        ) as tested_rows
    {%- endset -%}
    {{ return(filtered) }}
{%- endmacro %}
