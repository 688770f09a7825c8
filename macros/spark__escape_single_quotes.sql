{# In a literal of Spark a backslash is the beginning of something. #}
{% macro spark__escape_single_quotes(expression) -%}
    {{ return(expression | replace('\\', '\\\\') | replace("'", "\\'")) }}
{%- endmacro %}
