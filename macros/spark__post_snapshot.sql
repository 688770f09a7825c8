{% macro spark__post_snapshot(staging_relation) -%}
    {%- call statement('drop_snapshot_staging_relation') -%}
        drop table {{ staging_relation }} purge
    {%- endcall -%}
{%- endmacro %}
