{% macro postgres__apply_grants(relation, grant_config, should_revoke=True) -%}
    {%- set known = {} -%}
    {%- for privilege, grantees in (grant_config or {}).items() -%}
        {%- do known.update({privilege: existing_roles(grantees)}) -%}
    {%- endfor -%}
    {{ return(dbt.default__apply_grants(relation, known, should_revoke)) }}
{%- endmacro %}
