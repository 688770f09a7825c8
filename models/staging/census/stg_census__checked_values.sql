-- depends_on: {{ source('census', 'adult') }}

{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='feed',
        on_schema_change='append_new_columns',
    )
}}

{{ checked_values('census') }}
