{% macro list_rejected_values(relation, source_name, feed) -%}
    select
        '{{ source_name }}' as source,
        '{{ feed }}' as feed,
        records._source_file as source_file,
        records._source_line as source_line,
        records._load_id as load_id,
        rejected.record_key,
        rejected.column_name,
        rejected.expected_type,
        rejected.value
    from {{ relation }} as records
    {{ unnest_rejected_values('records.rejected_values', 'rejected') }}
    where records.rejected_values is not null
{%- endmacro %}
