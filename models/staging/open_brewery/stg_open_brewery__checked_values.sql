-- depends_on: {{ source('open_brewery', 'breweries') }}

{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='feed',
        on_schema_change='append_new_columns',
    )
}}

{{ checked_values('open_brewery') }}
