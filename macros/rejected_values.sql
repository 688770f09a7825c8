{% macro rejected_values(casts, record_key=[], null_marker='NULL', raw='') -%}
    {%- set rejected = [] -%}
    {%- for column, type, alias in casts -%}
        {%- set is_null = alias ~ ' is null' if raw else 'not ' ~ can_cast_to(column, type) -%}
        {%- set is_there = clean_text(raw ~ column, null_marker) ~ ' is not null' -%}
        {%- do rejected.append({
            'column': column,
            'type': type,
            'value': raw ~ column,
            'condition': '(' ~ is_null ~ ' and ' ~ is_there ~ ')',
        }) -%}
    {%- endfor -%}
    {{ return(adapter.dispatch('rejected_values')(rejected, record_key_text(record_key, raw))) }}
{%- endmacro %}

{# The question for all columns comes first: hardly any row gets further. #}
{% macro postgres__rejected_values(rejected, record_key) -%}
    case
            when
                {%- for each in rejected %}
                {{ 'or ' if not loop.first }}{{ each.condition }}
                {%- endfor %}
                then to_jsonb(array_remove(
                    array[
                        {%- for each in rejected %}
                        case
                            when {{ each.condition }}
                                then jsonb_build_object(
                                    'record_key', {{ record_key }},
                                    'column_name', '{{ each.column }}',
                                    'expected_type', '{{ each.type }}',
                                    'value', {{ each.value }}
                                )
                        end{{ ',' if not loop.last }}
                        {%- endfor %}
                    ],
                    null
                ))
        end
{%- endmacro %}

{% macro spark__rejected_values(rejected, record_key) -%}
    nullif(filter(
            array(
                {%- for each in rejected %}
                case
                    when {{ each.condition }}
                        then named_struct(
                            'record_key', {{ record_key }},
                            'column_name', '{{ each.column }}',
                            'expected_type', '{{ each.type }}',
                            'value', {{ each.value }}
                        )
                end{{ ',' if not loop.last }}
                {%- endfor %}
            ),
            rejected -> rejected is not null
        ), array())
{%- endmacro %}
