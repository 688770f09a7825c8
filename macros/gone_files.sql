{% macro gone_files(files, staged=[]) -%}
    select versions.file_id
    from {{ files }} as versions
    where
        not versions.is_current
        {%- for relation in staged %}
        and not exists (
            select 1 from {{ relation }} as still_staged
            where versions.file_id = still_staged._file_id
        )
        {%- endfor %}
{%- endmacro %}
