{% macro can_cast_to(column, type) -%}
    ({{ adapter.dispatch('can_cast_to')(column, type) }})
{%- endmacro %}

{#
    cast_shape and pg_input_is_valid decide. Postgres sets a regular expression up anew for every
    value and pays for each of its states, so a cheaper question, answered yes for the values that
    files are full of, goes before it. Per value, 1.2 M rows, on top of the plain cast:
        integer 0.05 us instead of 0.15 (a JSON scalar that is a valid integer is just digits),
        numeric 0.3 instead of 0.6 (short; digits around one separator; few enough after it),
        date and timestamp 0.5 instead of 2.7 (just what Postgres would write, or its midnight).
    tests/macros/assert_try_cast_to.sql holds both ways against each other.
#}
{% macro postgres__can_cast_to(column, type) -%}
    {%- set shape = cast_shape(type) -%}
    {%- if type in ('integer', 'bigint') -%}
        pg_input_is_valid({{ column }}, '{{ type }}')
            and ({{ column }} is json scalar or {{ column }} ~ '{{ shape }}')
    {%- elif type.startswith('numeric') -%}
        {%- set precision, scale = type[8:-1].split(',') | map('int') -%}
        {%- set too_many = '_' * (scale + 1) ~ '%' -%}
        (
                octet_length({{ column }}) <= {{ precision - scale }}
                and {{ column }} ~ '^[0-9]+[.,]?[0-9]*$'
                and {{ column }} not like '%,{{ too_many }}'
                and {{ column }} not like '%.{{ too_many }}'
            )
            or (
                {{ column }} ~ '{{ shape }}'
                and pg_input_is_valid(replace({{ column }}, ',', '.'), '{{ type }}')
            )
    {%- elif type in ('date', 'timestamp') -%}
        {%- set written = 'cast(cast(' ~ column ~ ' as ' ~ type ~ ') as text)' -%}
        {%- set midnight = ' 00:00:00.000' if type == 'date' else '.000' -%}
        case
                when not pg_input_is_valid({{ column }}, '{{ type }}') then false
                when {{ column }} = {{ written }}
                    || case when {{ column }} like '%{{ midnight }}' then '{{ midnight }}' else '' end
                    then {{ column }} like '____-__-__%' and {{ column }} not like '%BC'
                else {{ column }} ~ '{{ shape }}'
            end
    {%- else -%}
        {{ column }} in ('0', '1') or {{ column }} ~ '{{ shape }}'
    {%- endif -%}
{%- endmacro %}

{% macro spark__can_cast_to(column, type) -%}
    {{ try_cast_to(column, type) }} is not null
{%- endmacro %}
