{% macro delete_vanished(file_id, files) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where {{ file_id }} not in (select file_id from {{ files }} where is_current)
    {%- endif -%}
{%- endmacro %}
