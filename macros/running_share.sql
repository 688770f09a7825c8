{% macro running_share(amount, weights) -%}
    {{ rounded_share(amount, weights ~ '.weight_through', weights ~ '.weight_total') }}
    - {{ rounded_share(amount, weights ~ '.weight_before', weights ~ '.weight_total') }}
{%- endmacro %}
