{# Two branches: Postgres takes a comparison with a constant into the staging view, but nothing that
   asks a table. The fence: records are found before their values are looked at. #}
{% macro new_or_listed_records(relation, source_name, feed) -%}
    {%- if is_incremental() -%}
    (
        select * from {{ relation }}
        where {{ is_new(source_name, '_load_id') }}
        union all
        (
            select landed.*
            from {{ relation }} as landed
            inner join (
                select distinct
                    source_file,
                    source_line
                from {{ this }}
                where feed = '{{ feed }}'
            ) as listed
                on
                    landed._source_file = listed.source_file
                    and landed._source_line = listed.source_line
            where not {{ is_new(source_name, 'landed._load_id') }}
            {{ optimization_fence() }}
        )
    )
    {%- else -%}
    {{ relation }}
    {%- endif -%}
{%- endmacro %}
