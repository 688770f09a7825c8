{% macro existing_roles(names) -%}
    {%- if not names -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set found = run_query(
        "select rolname from pg_roles where rolname in ('" ~ names | join("', '") ~ "')"
    ) -%}
    {{ return(found.columns[0].values() | list) }}
{%- endmacro %}
