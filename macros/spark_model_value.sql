{% macro spark_model_value(column) -%}
    {%- set declared = model.columns.get(column.name) -%}
    {%- if config.get('contract').enforced and declared -%}
        {{ spark_contract_value(declared) }}
    {%- else -%}
        {{ column.quoted }}
    {%- endif -%}
{%- endmacro %}
