{# A row of an incremental model is stale if it stems from a load before the oldest that the feed now
   shows: the whole feed was loaded anew since, and what it still has was built anew. #}
{% macro delete_vanished(feed) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where
            load_id < (
                select coalesce(min(_load_id), {{ after_all_loads() }}) from {{ feed }}
            )
    {%- endif -%}
{%- endmacro %}
