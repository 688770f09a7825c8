{# The fence: the records are chosen before the values of the chosen ones are looked at. #}
{% macro new_or_listed_records(relation, source_name, feed) -%}
    {%- if is_incremental() -%}
    (
        select * from {{ relation }} as landed
        where
            {{ is_new(source_name, 'landed._load_id') }}
            or (landed._source_file, landed._source_line) in (
                select
                    source_file,
                    source_line
                from {{ this }}
                where feed = '{{ feed }}'
            )
        {{ optimization_fence() }}
    )
    {%- else -%}
    {{ relation }}
    {%- endif -%}
{%- endmacro %}
