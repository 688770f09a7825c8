{# What makes a table or view says its comments. #}
{% macro spark__persist_docs(relation, model, for_relation, for_columns) -%}
{%- endmacro %}
