{#
    One regular expression for both engines: no POSIX classes, no backslash but \t \r \n, and
    "nothing follows" instead of $, which in Java also matches before a final line end.
#}
{% macro cast_shape(type) -%}
    {%- set time = '[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6}0*)?' -%}
    {%- set numeric = modules.re.match('numeric[(] *[0-9]+, *([0-9]+)[)]$', type) -%}
    {%- if type in ('integer', 'bigint') -%}
        {%- set shape = '[+-]?[0-9]+' -%}
    {%- elif numeric -%}
        {%- set shape = '[+-]?[0-9]*(?:[.,][0-9]{0,' ~ numeric.group(1) ~ '}0*)?' -%}
    {%- elif type in ('date', 'timestamp') -%}
        {%- set shape = '(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}(?:' ~ time ~ ')?' -%}
    {%- elif type == 'boolean' -%}
        {%- set shape = '[01]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]' -%}
    {%- else -%}
        {{ exceptions.raise_compiler_error("try_cast_to knows no type '" ~ type ~ "'") }}
    {%- endif -%}
    (?s)^[ \t\r\n]*(?:{{ shape }})[ \t\r\n]*(?!.)
{%- endmacro %}
