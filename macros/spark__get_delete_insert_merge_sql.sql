{# Two statements would be two versions of the table: readers would miss rows in between. #}
{% macro spark__get_delete_insert_merge_sql(
    target, source, unique_key, dest_columns, incremental_predicates=none
) -%}
    {%- set columns = dest_columns | map(attribute='quoted') | list -%}
    merge into {{ target }} as target
    using (
        select distinct
            dbt_replaced_key,
            {%- for column in dest_columns %}
            cast(null as {{ column.dtype }}) as `new_{{ column.name }}`{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ source }}
        union all
        select
            null as dbt_replaced_key,
            {%- for column in dest_columns %}
            {{ column.quoted }} as `new_{{ column.name }}`{{ ',' if not loop.last }}
            {%- endfor %}
        from {{ source }}
        where dbt_is_new
    ) as changes
    on {{ unique_key }} = dbt_replaced_key
    when matched then delete
    when not matched and dbt_replaced_key is null then insert (
        {{ columns | join(', ') }}
    ) values (
        {%- for column in dest_columns %}
        `new_{{ column.name }}`{{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}
