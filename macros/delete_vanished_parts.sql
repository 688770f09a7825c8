{# All records of one file and load come and go together. #}
{% macro delete_vanished_parts(feed) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where
            not exists (
                select 1
                from (select distinct _source_file, _load_id from {{ feed }}) as landed
                where
                    landed._source_file = {{ this }}.source_file
                    and landed._load_id = {{ this }}.load_id
            )
    {%- endif -%}
{%- endmacro %}
