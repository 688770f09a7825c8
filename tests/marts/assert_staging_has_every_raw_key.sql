-- Of each key that occurs in change rows staging shows one row; of other keys all rows.

{% set keys = {
    'sales_order_header': key_text('sales_order_id', 'integer'),
    'sales_order_detail':
        key_text('sales_order_id', 'integer') ~ " || ' ' || "
        ~ key_text('sales_order_detail_id', 'integer'),
} %}

with counts as (

    {% for feed, key in keys.items() -%}
    select
        '{{ feed }}' as feed,
        (select count(*) from {{ source('adventure_works', feed) }}) as raw_count,
        (
            select count(*)
            from {{ source('adventure_works', feed) }}
            where
                {{ key }} in (
                    select {{ key }} as changed_key
                    from {{ source('adventure_works', feed) }} as changes
                    where changes._is_change
                )
        ) as compared_count,
        (
            select count(distinct {{ key }})
            from {{ source('adventure_works', feed) }} as changes
            where changes._is_change
        ) as changed_key_count,
        (select count(*) from {{ ref('stg_adventure_works__' ~ feed) }}) as staged_count
    {{- '\n    union all' if not loop.last }}
    {% endfor %}
)

select *
from counts
where raw_count - compared_count + changed_key_count != staged_count
