{# Of Iceberg's catalogs Spark cannot `show table extended`. What is returned looks as if it came
   from there. #}
{% macro spark__list_relations_without_caching(schema_relation) -%}
    {%- set found = [] -%}
    {%- for kind, information in [('tables', 'Provider: iceberg'), ('views', 'Type: VIEW')] -%}
        {%- call statement('list_' ~ kind, fetch_result=True) -%}
            show {{ kind }} in {{ schema_relation.schema }}
        {%- endcall -%}
        {%- for schema, name, is_temporary in load_result('list_' ~ kind).table.rows -%}
            {%- if not is_temporary -%}
                {%- do found.append((schema, name, is_temporary, information)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
