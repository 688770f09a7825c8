-- Every key of a feed with change rows is staged. With `except`, because PostgreSQL knows nothing
-- of values that it casts, and joins millions of rows as if they were a few.
{{ config(tags=['full_run']) }}

{% set detail_id = try_cast_to('sales_order_detail_id', 'integer') %}

(
    select {{ try_cast_to('sales_order_id', 'integer') }} as sales_order_id
    from {{ source('adventure_works', 'sales_order_header') }}
    except
    select sales_order_id
    from {{ ref('stg_adventure_works__sales_order_header') }}
)
union all
(
    select sales_order_id
    from (
        select
            {{ try_cast_to('sales_order_id', 'integer') }} as sales_order_id,
            {{ detail_id }} as sales_order_detail_id
        from {{ source('adventure_works', 'sales_order_detail') }}
        except
        select
            sales_order_id,
            sales_order_detail_id
        from {{ ref('stg_adventure_works__sales_order_detail') }}
    ) as missing_lines
)
