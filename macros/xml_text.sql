{% macro xml_text(content) -%}
    {%- set resolved = namespace(sql=content) -%}
    {#- &amp; comes last: it may be the start of what looks like another entity. -#}
    {%- for entity, character in [
        ('&lt;', "'<'"),
        ('&gt;', "'>'"),
        ('&quot;', "'\"'"),
        ('&apos;', 'chr(39)'),
        ('&amp;', "'&'"),
    ] -%}
        {%- set resolved.sql = "replace(" ~ resolved.sql ~ ", '" ~ entity ~ "', " ~ character ~ ")" -%}
    {%- endfor -%}
    case
        when {{ content }} like '%<%' then null
        when {{ content }} like '%&%' then {{ clean_text(resolved.sql) }}
        else {{ clean_text(content) }}
    end
{%- endmacro %}
