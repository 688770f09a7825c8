{%- set dimensions = {
    'dim_customer': ('customer_key', 'stg_adventure_works__customer', [
        'customer_id', 'person_id', 'store_id', 'territory_id', 'account_number', 'modified_at',
    ]),
    'dim_person': ('person_key', 'stg_adventure_works__person', [
        'business_entity_id', 'person_type', 'first_name', 'middle_name', 'last_name', 'suffix',
        'email_promotion', 'modified_at',
    ]),
    'dim_product': ('product_key', 'stg_adventure_works__product', [
        'product_id', 'product_name', 'product_number', 'color', 'size', 'product_line',
        'product_class', 'product_style', 'standard_cost', 'list_price', 'days_to_manufacture',
        'product_subcategory_id', 'product_model_id', 'is_made_in_house', 'is_finished_good',
        'sell_start_date', 'sell_end_date', 'discontinued_date', 'modified_at',
    ]),
} -%}

with counts as (

    {% for dimension, (key, staging, columns) in dimensions.items() -%}
    select
        '{{ dimension }}' as dimension,
        (select count(*) from {{ ref(staging) }}) as staging_count,
        count(*) as row_count,
        count(*) filter (where {{ key }} = {{ unknown_key() }}) as unknown_count,
        (
            select count(*)
            from (
                select {{ columns | join(', ') }} from {{ ref(staging) }}
                where {{ is_new('adventure_works', '_load_id') }}
                except
                select {{ columns | join(', ') }} from {{ ref(dimension) }}
            ) as missing
        ) as different_count
    from {{ ref(dimension) }}
    {{- '\n    union all' if not loop.last }}
    {% endfor %}
)

select *
from counts
where
    unknown_count != 1
    or row_count != staging_count + 1
    or different_count != 0
