-- depends_on: {{ source('adventure_works', 'customer') }}
-- depends_on: {{ source('adventure_works', 'person') }}
-- depends_on: {{ source('adventure_works', 'product') }}
-- depends_on: {{ source('adventure_works', 'sales_order_detail') }}
-- depends_on: {{ source('adventure_works', 'sales_order_header') }}
-- depends_on: {{ source('adventure_works', 'special_offer_product') }}

{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='feed',
        on_schema_change='append_new_columns',
    )
}}

{{ checked_values('adventure_works') }}
