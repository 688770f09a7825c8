{# One scan per feed marks the rejected values; the few records that have any are gone through once
   per column after that. #}
{% macro rejected_values(source_name) -%}
    {%- set feeds = staged_casts(source_name) if execute else [] -%}
    {%- set branches = [] -%}
with
    {%- for feed in feeds %}
        {%- if [source_name, feed.name] not in model.sources -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ " lacks the line -- depends_on: {{ source('" ~ source_name ~ "', '"
                ~ feed.name ~ "') }}"
            ) }}
        {%- endif %}

{{ feed.name }}_marked as (

    select
        *
        {%- for column, type in feed.casts %},
        {{ is_rejected(column, type) }} as {{ column }}_is_rejected
            {%- do branches.append((feed, column, type)) -%}
        {%- endfor %}
    from {{ source(source_name, feed.name) }}

),

{{ feed.name }}_rejected as (

    select * from {{ feed.name }}_marked
    where {{ feed.casts | map('first') | join('_is_rejected or ') }}_is_rejected

),
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
    from {{ feed.name }}_rejected
    where {{ column }}_is_rejected
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select * from rejected
{%- endmacro %}
