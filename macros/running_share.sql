{% macro running_share(amount, weights) -%}
    round({{ amount }} * {{ weights }}.weight_through / {{ weights }}.weight_total, 4)
    - round({{ amount }} * {{ weights }}.weight_before / {{ weights }}.weight_total, 4)
{%- endmacro %}
