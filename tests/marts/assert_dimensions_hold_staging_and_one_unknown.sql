{%- set dimensions = {
    'dim_customer': ('customer_key', 'stg_adventure_works__customer'),
    'dim_person': ('person_key', 'stg_adventure_works__person'),
    'dim_product': ('product_key', 'stg_adventure_works__product'),
} -%}

with counts as (

    {% for dimension, (key, staging) in dimensions.items() -%}
    select
        '{{ dimension }}' as dimension,
        (select count(*) from {{ ref(staging) }}) as staging_count,
        count(*) as row_count,
        count(*) filter (where {{ key }} = {{ unknown_key() }}) as unknown_count
    from {{ ref(dimension) }}
    {{- '\n    union all' if not loop.last }}
    {% endfor %}
)

select *
from counts
where unknown_count <> 1 or row_count <> staging_count + 1
