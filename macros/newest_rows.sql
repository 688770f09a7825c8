{# Only keys that occur in change rows are compared: Postgres skips the partitions that the check on
   _is_change rules out, so a feed without change rows costs nothing. #}
{% macro newest_rows(relation, key, newest_by) -%}
    {%- set values = [] -%}
    {%- for column, type in key.items() -%}
        {%- do values.append(key_text(column, type)) -%}
    {%- endfor -%}
    {%- set key_values = values | join(', ') -%}
    select *
    from {{ relation }} as landed
    where
        not exists (
            select 1
            from (
                select
                    _file_id,
                    _source_row,
                    row_number() over (
                        partition by {{ key_values }}
                        order by
                            {{ try_cast_to(newest_by, 'timestamp') }} desc nulls last,
                            _load_id desc,
                            _file_id desc,
                            _source_row desc
                    ) as newness
                from {{ relation }}
                where
                    ({{ key_values }}) in (
                        select {{ key_values }} from {{ relation }} where _is_change
                    )
            ) as compared
            where
                compared.newness > 1
                and compared._file_id = landed._file_id
                and compared._source_row = landed._source_row
        )
{%- endmacro %}
