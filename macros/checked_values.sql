{# One scan per feed marks the rejected values; the few records that have any are gone through once
   per column after that. An incremental run scans what came since the feed was checked last, and
   keeps of the values found before those that the feed still shows. #}
{% macro checked_values(source_name) -%}
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
        {%- if is_incremental() %}

{{ feed.name }}_seen as (

    -- None, if it was checked for other casts.
    select coalesce(max(load_id), 0) as load_id
    from {{ this }}
    where feed = '{{ feed.name }}' and column_name is null and casts = '{{ feed.digest }}'

),
        {%- endif %}

{{ feed.name }}_marked as (

    select
        *
        {%- for column, type in feed.casts %},
        {{ is_rejected(column, type, feed.get('null_marker', 'NULL')) }} as {{ column }}_is_rejected
            {%- do branches.append((feed, column, type)) -%}
        {%- endfor %}
    from {{ source(source_name, feed.name) }}
        {%- if is_incremental() %}
    where _load_id > (select seen.load_id from {{ feed.name }}_seen as seen)
        {%- endif %}

),

{{ feed.name }}_rejected as (

    select * from {{ feed.name }}_marked
    where {{ feed.casts | map('first') | join('_is_rejected or ') }}_is_rejected

),
    {%- endfor %}

found as (
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
        {{ column }} as value,
        '{{ feed.digest }}' as casts
    from {{ feed.name }}_rejected
    where {{ column }}_is_rejected
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

checked as (

    select * from found
    {%- for feed in feeds %}
    union all
    select
        '{{ source_name }}' as source,
        '{{ feed.name }}' as feed,
        cast(null as {{ dbt.type_string() }}) as source_file,
        cast(null as bigint) as source_line,
        {%- if is_incremental() %}
        coalesce(max(_load_id), (select seen.load_id from {{ feed.name }}_seen as seen)) as load_id,
        {%- else %}
        coalesce(max(_load_id), 0) as load_id,
        {%- endif %}
        cast(null as {{ dbt.type_string() }}) as record_key,
        cast(null as {{ dbt.type_string() }}) as column_name,
        cast(null as {{ dbt.type_string() }}) as expected_type,
        cast(null as {{ dbt.type_string() }}) as value,
        '{{ feed.digest }}' as casts
    from {{ source(source_name, feed.name) }}
        {%- if is_incremental() %}
    where _load_id > (select seen.load_id from {{ feed.name }}_seen as seen)
    union all
    select known.*
    from {{ this }} as known
    inner join {{ source(source_name, feed.name) }} as raw
        on
            known.source_file = raw._source_file
            and known.source_line = raw._source_line
            and known.load_id = raw._load_id
    where
        known.feed = '{{ feed.name }}'
        and known.column_name is not null
        and known.load_id <= (select seen.load_id from {{ feed.name }}_seen as seen)
        {%- endif %}
    {%- endfor %}

)

select * from checked
{%- endmacro %}
