{# Iceberg's catalog knows no privileges: who may read is decided where its files lie. #}
{% macro spark__apply_grants(relation, grant_config, should_revoke=True) -%}
{%- endmacro %}
