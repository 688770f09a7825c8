{% macro grant_schema_usage() -%}
    {{ return(adapter.dispatch('grant_schema_usage')()) }}
{%- endmacro %}

{% macro default__grant_schema_usage() -%}
{%- endmacro %}

{% macro postgres__grant_schema_usage() -%}
    {%- set wanted = [] -%}
    {%- for node in (graph.nodes.values() if execute else []) -%}
        {%- for grantee in (node.config.get('grants') or {}).get('select', []) -%}
            {%- do wanted.append("('" ~ node.schema ~ "', '" ~ grantee ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if wanted -%}
        {#- Only what is missing: two runs that grant the same at once would fail each other. -#}
        {%- set missing = run_query(
            "select format('grant usage on schema %I to %I', nspname, rolname)"
            ~ " from pg_namespace cross join pg_roles"
            ~ " where (nspname, rolname) in (" ~ wanted | unique | join(", ") ~ ")"
            ~ " and not has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'usage')"
        ) -%}
        {{ missing.columns[0].values() | join("; ") }}
    {%- endif -%}
{%- endmacro %}
