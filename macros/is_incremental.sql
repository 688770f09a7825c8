{# As dbt's, but false for `dbt show`: it is to print what the model holds, not what the next run
   would add to it. #}
{% macro is_incremental() -%}
    {{ return(flags.WHICH != 'show' and dbt.is_incremental()) }}
{%- endmacro %}
