{% macro try_cast_to(column, type, casts=none, alias=none) -%}
    {%- if casts is not none -%}
        {%- do casts.append((column, type, alias or column)) -%}
    {%- endif -%}
    {{ return(adapter.dispatch('try_cast_to')(column, type)) }}
{%- endmacro %}

{% macro postgres__try_cast_to(column, type) -%}
    {%- set dotted = "replace(" ~ column ~ ", ',', '.')" -%}
    case
        when {{ can_cast_to(column, type) }}
            then cast({{ dotted if type.startswith('numeric') else column }} as {{ type }})
    end
{%- endmacro %}

{% macro spark__try_cast_to(column, type) -%}
    {%- set dotted = "replace(" ~ column ~ ", ',', '.')" -%}
    case
        when {{ column }} rlike '{{ cast_shape(type) }}'
            then try_cast({{ dotted if type.startswith('numeric') else column }} as {{ type }})
    end
{%- endmacro %}
