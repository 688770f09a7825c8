{% macro generate_surrogate_key(field_list) -%}
    {{ return(adapter.dispatch('generate_surrogate_key', 'dbt_utils')(field_list)) }}
{%- endmacro %}

{#
    A NULL hashes as a marker of its own, unless the project keeps to the old way, ''. The marker
    and the '-' between fields are the real package's: the keys must not differ.
#}
{% macro default__generate_surrogate_key(field_list) -%}
    {%- set null_marker = '' if var('surrogate_key_treat_nulls_as_empty_strings', false)
        else '_dbt_utils_surrogate_key_null_' -%}
    {%- set parts = [] -%}
    {%- for field in field_list -%}
        {%- if not loop.first -%}{%- do parts.append("'-'") -%}{%- endif -%}
        {%- do parts.append(
            'coalesce(cast(' ~ field ~ ' as ' ~ dbt.type_string() ~ "), '" ~ null_marker ~ "')"
        ) -%}
    {%- endfor -%}
    {{ dbt.hash(dbt.concat(parts)) }}
{%- endmacro %}
