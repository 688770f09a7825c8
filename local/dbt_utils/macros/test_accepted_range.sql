{% test accepted_range(model, column_name, min_value=none, max_value=none, inclusive=true) %}
    {{ return(adapter.dispatch('test_accepted_range', 'dbt_utils')(
        model, column_name, min_value, max_value, inclusive
    )) }}
{% endtest %}

{# NULL is in every range, and no bound at all accepts everything. #}
{% macro default__test_accepted_range(
    model, column_name, min_value=none, max_value=none, inclusive=true
) %}
    {%- set equal = '=' if inclusive else '' -%}
    {%- set checks = [] -%}
    {%- if min_value is not none -%}
        {%- do checks.append(column_name ~ ' >' ~ equal ~ ' ' ~ min_value) -%}
    {%- endif -%}
    {%- if max_value is not none -%}
        {%- do checks.append(column_name ~ ' <' ~ equal ~ ' ' ~ max_value) -%}
    {%- endif %}
    select *
    from {{ model }}
    where not ({{ checks | join(' and ') if checks else '1 = 1' }})
{% endmacro %}
