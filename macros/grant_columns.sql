{% macro grant_columns(columns) -%}
    {{ return(adapter.dispatch('grant_columns')(columns)) }}
{%- endmacro %}

{% macro default__grant_columns(columns) -%}
{%- endmacro %}

{% macro postgres__grant_columns(columns) -%}
    {%- if execute and target.name == 'main' and existing_roles(['reader']) -%}
        grant select ({{ columns | join(", ") }}) on {{ this }} to reader
    {%- endif -%}
{%- endmacro %}
