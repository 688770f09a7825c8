{% macro day_of_week_iso(date_column) -%}
    {{ return(adapter.dispatch('day_of_week_iso')(date_column)) }}
{%- endmacro %}

{% macro postgres__day_of_week_iso(date_column) -%}
    cast(extract(isodow from {{ date_column }}) as integer)
{%- endmacro %}

{% macro spark__day_of_week_iso(date_column) -%}
    cast(extract(dayofweek_iso from {{ date_column }}) as integer)
{%- endmacro %}
