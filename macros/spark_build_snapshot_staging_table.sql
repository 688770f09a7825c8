{# As dbt-spark's, but a table: what a merge reads more than once must not change in between. #}
{% macro spark_build_snapshot_staging_table(strategy, sql, target_relation) -%}
    {%- set staging = api.Relation.create(
        schema='default', identifier=target_relation.identifier ~ '__dbt_tmp', type='table'
    ) -%}
    {%- call statement('build_snapshot_staging_relation') -%}
        create or replace table {{ staging }} using iceberg as
        {{ snapshot_staging_table(strategy, sql, target_relation) }}
    {%- endcall -%}
    {{ return(staging) }}
{%- endmacro %}
