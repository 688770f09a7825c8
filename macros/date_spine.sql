{% macro date_spine(start_date, end_date) -%}
    {{ return(adapter.dispatch('date_spine')(start_date, end_date)) }}
{%- endmacro %}

{# Counted in integers: a series of timestamps would pass through the session's time zone. #}
{% macro postgres__date_spine(start_date, end_date) -%}
    select cast('{{ start_date }}' as date) + day_number as date_day
    from generate_series(
        0, cast('{{ end_date }}' as date) - cast('{{ start_date }}' as date)
    ) as days (day_number)
{%- endmacro %}

{% macro spark__date_spine(start_date, end_date) -%}
    select explode(
        sequence(cast('{{ start_date }}' as date), cast('{{ end_date }}' as date))
    ) as date_day
{%- endmacro %}
