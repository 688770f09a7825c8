{% macro record_key(columns) -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}
        {%- do parts.append("'" ~ column ~ "=' || coalesce(" ~ clean_text(column) ~ ", 'NULL')") -%}
    {%- endfor -%}
    {{ parts | join(" || ', ' || ") if parts else 'cast(null as ' ~ dbt.type_string() ~ ')' }}
{%- endmacro %}
