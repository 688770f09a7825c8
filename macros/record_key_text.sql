{% macro record_key_text(columns, prefix='') -%}
    {%- set parts = [] -%}
    {%- for column in columns -%}
        {%- set value = clean_text('cast(' ~ prefix ~ column ~ ' as ' ~ dbt.type_string() ~ ')') -%}
        {%- do parts.append("'" ~ column ~ "=' || coalesce(" ~ value ~ ", 'NULL')") -%}
    {%- endfor -%}
    {{ parts | join(" || ', ' || ") if parts else 'cast(null as ' ~ dbt.type_string() ~ ')' }}
{%- endmacro %}
