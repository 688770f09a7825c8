{% macro key_digits(column, type) -%}
    {{ return(adapter.dispatch('key_digits')(column, type)) }}
{%- endmacro %}

{% macro postgres__key_digits(column, type) -%}
    {{ "coalesce(translate(" ~ column ~ ", e' \\t\\r\\n+-0', ''), '')" if type in ('integer', 'bigint') else "''" }}
{%- endmacro %}

{% macro spark__key_digits(column, type) -%}
    {{ "coalesce(translate(" ~ column ~ ", ' \\t\\r\\n+-0', ''), '')" if type in ('integer', 'bigint') else "''" }}
{%- endmacro %}
