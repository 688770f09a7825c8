{# Spark's name for a type that the models' YAML names as PostgreSQL does. #}
{% macro spark_type(type) -%}
    {%- set names = {
        'text': 'string',
        'timestamp with time zone': 'timestamp',
        'double precision': 'double',
        'jsonb': 'array<struct<'
            ~ 'record_key: string, column_name: string, expected_type: string, value: string>>',
    } -%}
    {{ return(names.get(type | lower, type)) }}
{%- endmacro %}
