{# Only keys that occur in change rows are compared: Postgres skips the partitions that the check on
   _is_change rules out, so a feed without change rows costs next to nothing. Rows are ranked without
   a window function, because Postgres uses one processor for a query that has one. #}
{% macro newest_rows(relation, key, newest_by) -%}
    {%- set values, named, matches, ranks = [], [], [], {} -%}
    {%- for column, type in key.items() -%}
        {%- set value, name = key_text(column, type), 'key_' ~ loop.index -%}
        {%- do values.append(value) -%}
        {%- do named.append(value ~ ' as ' ~ name) -%}
        {%- do matches.append('newest.' ~ name ~ ' = ' ~ key_text('landed.' ~ column, type)) -%}
    {%- endfor -%}
    {%- for prefix in ('', 'landed.') -%}
        {%- set time = microseconds(try_cast_to(prefix ~ newest_by, 'timestamp')) -%}
        {#- A row without a time is older than any that has one. -#}
        {%- set rank = ['coalesce(' ~ time ~ ', -100000000000000000)'] -%}
        {%- for column in ('_load_id', '_file_id', '_source_row') -%}
            {%- do rank.append(prefix ~ column) -%}
        {%- endfor -%}
        {%- do ranks.update({prefix: dbt.array_construct(rank, 'bigint') | trim}) -%}
    {%- endfor -%}
    {%- set key_values = values | join(', ') -%}
    select *
    from {{ relation }} as landed
    where
        not exists (
            select 1
            from (
                select
                    {{ named | join(', ') }},
                    max({{ ranks[''] }}) as newest_rank
                from {{ relation }}
                where
                    ({{ key_values }}) in (
                        select {{ key_values }} from {{ relation }} where _is_change
                    )
                group by {{ key_values }}
            ) as newest
            where
                {{ matches | join(' and ') }}
                and newest.newest_rank > {{ ranks['landed.'] }}
        )
{%- endmacro %}
