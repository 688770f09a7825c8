-- Of each key of a feed with change rows staging shows one row; of other rows all.
{%- set keys = {
    'sales_order_header': {'sales_order_id': 'integer'},
    'sales_order_detail': {'sales_order_id': 'integer', 'sales_order_detail_id': 'integer'},
} %}

with counts as (

    {% for feed, key in keys.items() -%}
    {%- set values = [] -%}
    {%- for column, type in key.items() -%}
        {%- do values.append(key_text(column, type)) -%}
    {%- endfor -%}
    {%- set raw = source('adventure_works', feed) -%}
    select
        '{{ feed }}' as feed,
        (select count(*) from {{ raw }}) as raw_count,
        (
            select count(*) from {{ raw }}
            where
                ({{ values | join(', ') }}) in (
                    select {{ values | join(', ') }} from {{ raw }} where _is_change
                )
        ) as compared_count,
        (
            select count(*)
            from (
                select distinct {{ values | join(', ') }} from {{ raw }} where _is_change
            ) as changed_keys
        ) as changed_key_count,
        (select count(*) from {{ ref('stg_adventure_works__' ~ feed) }}) as staged_count
    {{- '\n    union all' if not loop.last }}
    {% endfor %}
)

select *
from counts
where raw_count - compared_count + changed_key_count != staged_count
