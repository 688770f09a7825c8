{% macro unnest_rejected_values(column, alias) -%}
    {{ return(adapter.dispatch('unnest_rejected_values')(column, alias)) }}
{%- endmacro %}

{% macro postgres__unnest_rejected_values(column, alias) -%}
    cross join lateral jsonb_to_recordset({{ column }}) as {{ alias }} (
        record_key text, column_name text, expected_type text, value text
    )
{%- endmacro %}

{% macro spark__unnest_rejected_values(column, alias) -%}
    lateral view explode({{ column }}) exploded as {{ alias }}
{%- endmacro %}
