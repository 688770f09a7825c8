-- Every key of a feed with change rows is staged. With `except`, because PostgreSQL knows nothing
-- of values that it casts, and joins millions of rows as if they were a few. It goes through whole
-- tables, and random histories of files prove the same in tests/marts/test_incremental.py.
{{ config(tags=['full_run']) }}

{% set order_id = try_cast_to('sales_order_id', 'integer') %}

(
    select
        'sales_order_header' as feed,
        {{ order_id }} as sales_order_id,
        cast(null as integer) as sales_order_detail_id
    from {{ source('adventure_works', 'sales_order_header') }}
    except
    select
        'sales_order_header' as feed,
        sales_order_id,
        null as sales_order_detail_id
    from {{ ref('stg_adventure_works__sales_order_header') }}
)
union all
(
    select
        'sales_order_detail' as feed,
        {{ order_id }} as sales_order_id,
        {{ try_cast_to('sales_order_detail_id', 'integer') }} as sales_order_detail_id
    from {{ source('adventure_works', 'sales_order_detail') }}
    except
    select
        'sales_order_detail' as feed,
        sales_order_id,
        sales_order_detail_id
    from {{ ref('stg_adventure_works__sales_order_detail') }}
)
