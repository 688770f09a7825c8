{# For fixtures of unit tests, which write a list of objects as JSON. #}
{% macro spark__safe_cast(field, type) -%}
    {%- if type.startswith('array') and field != 'null' -%}
        from_json({{ field }}, '{{ type }}')
    {%- else -%}
        {{ dbt.cast(field, type) }}
    {%- endif -%}
{%- endmacro %}
