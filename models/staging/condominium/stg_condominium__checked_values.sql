-- depends_on: {{ source('condominium', 'imoveis') }}
-- depends_on: {{ source('condominium', 'moradores') }}
-- depends_on: {{ source('condominium', 'transacoes') }}

{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='feed',
        on_schema_change='append_new_columns',
    )
}}

{{ checked_values('condominium') }}
