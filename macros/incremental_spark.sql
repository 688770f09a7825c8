{# What a run changes is written down first, in one statement, as a table beside the model's: Spark
   reads the source of a merge more than once, and a load can become visible in between. Then one
   merge takes away the rows of all keys in it and puts in the new rows. What the hooks would delete
   (delete_where) is a part of it, so that readers see all of a run or nothing. #}
{% materialization incremental, adapter='spark' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set unique_key = config.require('unique_key') -%}
    {%- if config.get('incremental_strategy') != 'delete+insert' or unique_key is not string -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ": on Spark, incremental models delete and insert, by one unique_key"
        ) }}
    {%- endif -%}
    {%- set later_hooks, deleted = [], [] -%}
    {%- set delete = 'delete from ' ~ this ~ ' where ' -%}
    {%- for hook in post_hooks -%}
        {%- set rendered = render(hook.sql) | trim -%}
        {%- if rendered.startswith(delete) -%}
            {%- do deleted.append('(' ~ rendered[delete | length:] ~ ')') -%}
        {%- else -%}
            {%- do later_hooks.append(hook) -%}
        {%- endif -%}
    {%- endfor -%}

    {{ run_hooks(pre_hooks) }}
    {%- if existing is none or existing.is_view or should_full_refresh() -%}
        {%- if existing is not none and existing.is_view -%}
            {%- do adapter.drop_relation(existing) -%}
        {%- endif -%}
        {%- call statement('main') -%}
            {{ create_table_as(False, target_relation, sql) }}
        {%- endcall -%}
    {%- else -%}
        {%- set new_rows = api.Relation.create(
            schema='global_temp', identifier=this.schema ~ '__' ~ this.identifier ~ '__dbt_new'
        ) -%}
        {%- set changes = this.incorporate(
            path={'identifier': this.identifier ~ '__dbt_tmp'}, type='table'
        ) -%}
        {%- call statement('create_new_rows') -%}
            {{ create_table_as(True, new_rows, sql) }}
        {%- endcall -%}
        {%- do process_schema_changes(
            incremental_validate_on_schema_change(config.get('on_schema_change')), new_rows, existing
        ) -%}
        {%- set columns = adapter.get_columns_in_relation(existing) -%}
        {%- call statement('create_changes') -%}
            create or replace table {{ changes }} using iceberg as
            select
                true as dbt_is_new,
                {{ unique_key }} as dbt_replaced_key,
                {%- for column in columns %}
                {{ spark_model_value(column) }} as {{ column.quoted }}{{ ',' if not loop.last }}
                {%- endfor %}
            from {{ new_rows }}
            {%- if deleted %}
            union all
            select distinct
                false as dbt_is_new,
                {{ unique_key }} as dbt_replaced_key,
                {%- for column in columns %}
                cast(null as {{ column.dtype }}) as {{ column.quoted }}{{ ',' if not loop.last }}
                {%- endfor %}
            from {{ this }}
            where {{ deleted | join(' or ') }}
            {%- endif %}
        {%- endcall -%}
        {%- call statement('main') -%}
            {{ get_delete_insert_merge_sql(this, changes, unique_key, columns) }}
        {%- endcall -%}
        {%- call statement('drop_changes') -%}
            drop table {{ changes }} purge
        {%- endcall -%}
    {%- endif -%}
    {{ run_hooks(later_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
