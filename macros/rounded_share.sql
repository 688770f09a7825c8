{% macro rounded_share(amount, weight, total) -%}
    {{ return(adapter.dispatch('rounded_share')(amount, weight, total)) }}
{%- endmacro %}

{% macro postgres__rounded_share(amount, weight, total) -%}
    round({{ amount }} * {{ weight }} / {{ total }}, 4)
{%- endmacro %}

{#
    Spark's decimals end at 38 digits, and of a quotient it then keeps as few as 6 after the point:
    rounded again to 4, some shares differ by 0.0001. So it counts whole units, of 0.0001 of the
    amount and 0.000001 of the weights, and rounds halves away from zero, as PostgreSQL does. What
    does not fit, an order of 10^13, is an error.
#}
{% macro spark__rounded_share(amount, weight, total) -%}
    {%- set product -%}
        cast({{ amount }} * 10000 as decimal(19,0)) * cast({{ weight }} * 1000000 as decimal(19,0))
    {%- endset -%}
    {%- set divisor = 'cast(' ~ total ~ ' * 1000000 as decimal(19,0))' -%}
    cast(
        sign({{ product }}) * sign({{ divisor }})
        * ((abs({{ product }}) * 2 + abs({{ divisor }})) div (abs({{ divisor }}) * 2))
        * 0.0001 as decimal(19,4)
    )
{%- endmacro %}
