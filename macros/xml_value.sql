{#
    Text functions, not a regular expression: 1.3 us for one element of a survey, not 12 to 20.
    Without an end tag the document is broken and the value may be too: NULL.
#}
{% macro xml_value(column, tag) -%}
    {%- set content = "split_part(split_part(" ~ column ~ ", '<" ~ tag ~ ">', 2), '<', 1)" -%}
    {%- set text = namespace(sql=content) -%}
    {#- &amp; comes last: it may be the start of what looks like another entity. -#}
    {%- for entity, character in [
        ('&lt;', "'<'"),
        ('&gt;', "'>'"),
        ('&quot;', "'\"'"),
        ('&apos;', 'chr(39)'),
        ('&amp;', "'&'"),
    ] -%}
        {%- set text.sql = "replace(" ~ text.sql ~ ", '" ~ entity ~ "', " ~ character ~ ")" -%}
    {%- endfor -%}
    case
        when {{ column }} like '%<{{ tag }}>%</{{ tag }}>%'
            then {{ clean_text(text.sql) }}
    end
{%- endmacro %}
