{#
    Reads the staging models' own text: a second list of columns would drift from it. Staging
    models read one source table each, which tells them from the model that asks.
#}
{% macro staged_casts(source_name) -%}
    {%- set feeds = [] -%}
    {%- for node in graph.nodes.values() | sort(attribute='unique_id') -%}
        {%- set sources = node.get('sources', []) -%}
        {%- if node.resource_type == 'model' and 'try_cast_to(' in node.raw_code
            and sources | length == 1 and sources[0][0] == source_name -%}
            {%- set casts = modules.re.findall(
                "try_cast_to[(]\s*'(\w+)'\s*,\s*'([^']+)'\s*[)]", node.raw_code
            ) -%}
            {%- if casts | length != node.raw_code.count('try_cast_to(') -%}
                {{ exceptions.raise_compiler_error(
                    node.name ~ ": the rejected values are found by the text of the casts; "
                    ~ "write each as try_cast_to('column', 'type')"
                ) }}
            {%- endif -%}
            {%- set source_id = node.depends_on.nodes | select('in', graph.sources) | first -%}
            {%- set meta = graph.sources[source_id].config.meta -%}
            {%- set null_marker = meta.get('null_marker', 'NULL') -%}
            {%- do feeds.append({
                'name': sources[0][1],
                'record_key': meta.get('record_key', []),
                'null_marker': null_marker,
                'casts': casts,
                'digest': local_md5([casts, null_marker] | string),
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(feeds) }}
{%- endmacro %}
