{% macro list_rejected_values(relation, source_name, feed) -%}
    {{ return(adapter.dispatch('list_rejected_values')(relation, source_name, feed)) }}
{%- endmacro %}

{% macro postgres__list_rejected_values(relation, source_name, feed) -%}
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
    cross join lateral jsonb_to_recordset(records.rejected_values) as rejected (
        record_key text, column_name text, expected_type text, value text
    )
    where records.rejected_values is not null
{%- endmacro %}

{% macro spark__list_rejected_values(relation, source_name, feed) -%}
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
    lateral view explode(records.rejected_values) exploded as rejected
    where records.rejected_values is not null
{%- endmacro %}
