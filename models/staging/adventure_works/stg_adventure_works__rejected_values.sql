-- depends_on: {{ source('adventure_works', 'customer') }}
-- depends_on: {{ source('adventure_works', 'person') }}
-- depends_on: {{ source('adventure_works', 'product') }}
-- depends_on: {{ source('adventure_works', 'sales_order_detail') }}
-- depends_on: {{ source('adventure_works', 'sales_order_header') }}
-- depends_on: {{ source('adventure_works', 'special_offer_product') }}

{{ config(materialized='table') }}

{{ rejected_values('adventure_works') }}
