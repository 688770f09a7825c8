{% macro is_new(source_name, load_id) -%}
    {%- set tested_loads = var('tested_loads', {}) -%}
    {%- if source_name in tested_loads -%}
        {{ load_id }} > {{ tested_loads[source_name] }}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
