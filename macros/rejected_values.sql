{#
    A feed is scanned once, for its records with any rejected value; they are few, and going through
    them once per column costs nothing.
#}
{% macro rejected_values(source_name) -%}
    {%- set feeds = staged_casts(source_name) if execute else [] -%}
    {%- set branches = [] %}
with
    {%- for feed in feeds %}
        {%- if [source_name, feed.name] not in model.sources -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ " lacks the line -- depends_on: {{ source('" ~ source_name ~ "', '"
                ~ feed.name ~ "') }}"
            ) }}
        {%- endif %}
{{ feed.name }} as (

    select * from {{ source(source_name, feed.name) }}
    where
        {% for column, type in feed.casts -%}
        {{ 'or ' if not loop.first }}{{ is_rejected(column, type) }}
        {% endfor %}
),
        {%- for column, type in feed.casts %}
            {%- do branches.append((feed, column, type)) -%}
        {%- endfor %}
    {%- endfor %}

rejected as (
    {% for feed, column, type in branches %}
    select
        '{{ source_name }}' as source,
        '{{ feed.name }}' as feed,
        _source_file as source_file,
        _source_line as source_line,
        _load_id as load_id,
        {{ record_key(feed.record_key) }} as record_key,
        '{{ column }}' as column_name,
        '{{ type }}' as expected_type,
        {{ column }} as value
    from {{ feed.name }}
    where {{ is_rejected(column, type) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select * from rejected
{%- endmacro %}
