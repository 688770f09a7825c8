{% macro delete_listed_before() -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where listed_at < cast('{{ run_started_at.isoformat() }}' as {{ dbt.type_timestamp() }})
    {%- endif -%}
{%- endmacro %}
