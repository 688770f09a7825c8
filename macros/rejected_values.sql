{% macro rejected_values(casts, record_key=[], null_marker='NULL') -%}
    {{ return(adapter.dispatch('rejected_values')(casts, record_key, null_marker)) }}
{%- endmacro %}

{# The question for all columns comes first: hardly any row gets further. #}
{% macro postgres__rejected_values(casts, record_key, null_marker) -%}
    case
            when
                {%- for column, type in casts %}
                {{ 'or ' if not loop.first }}{{ is_rejected(column, type, null_marker) }}
                {%- endfor %}
                then to_jsonb(array_remove(
                    array[
                        {%- for column, type in casts %}
                        case
                            when {{ is_rejected(column, type, null_marker) }}
                                then jsonb_build_object(
                                    'record_key', {{ record_key_text(record_key) }},
                                    'column_name', '{{ column }}',
                                    'expected_type', '{{ type }}',
                                    'value', {{ column }}
                                )
                        end{{ ',' if not loop.last }}
                        {%- endfor %}
                    ],
                    null
                ))
        end
{%- endmacro %}

{% macro spark__rejected_values(casts, record_key, null_marker) -%}
    nullif(filter(
            array(
                {%- for column, type in casts %}
                case
                    when {{ is_rejected(column, type, null_marker) }}
                        then named_struct(
                            'record_key', {{ record_key_text(record_key) }},
                            'column_name', '{{ column }}',
                            'expected_type', '{{ type }}',
                            'value', {{ column }}
                        )
                end{{ ',' if not loop.last }}
                {%- endfor %}
            ),
            rejected -> rejected is not null
        ), array())
{%- endmacro %}
