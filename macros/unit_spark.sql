{# As dbt's, but it does not fetch what a statement that makes a view returns: nothing. #}
{% materialization unit, adapter='spark' %}
    {%- set expected_rows = config.get('expected_rows') -%}
    {%- set view = api.Relation.create(
        schema='global_temp', identifier=this.identifier ~ '__dbt_tmp', type='view'
    ) -%}
    {%- call statement('create_view') -%}
        {{ create_table_as(True, view, get_empty_subquery_sql(sql)) }}
    {%- endcall -%}
    {%- set types, quoted = {}, {} -%}
    {%- for column in adapter.get_columns_in_relation(view) -%}
        {%- do types.update({column.name | lower: column.data_type}) -%}
        {%- do quoted.update({column.name | lower: column.quoted}) -%}
    {%- endfor -%}
    {%- set names = expected_rows[0].keys() if expected_rows else types.keys() -%}
    {%- set tested = [] -%}
    {%- for name in names -%}
        {%- do tested.append(quoted[name | lower]) -%}
    {%- endfor -%}
    {%- set expected = config.get('expected_sql')
        or get_expected_sql(expected_rows, types, quoted) -%}
    {%- call statement('main', fetch_result=True) -%}
        {{ get_unit_test_sql(sql, expected, tested) }}
    {%- endcall -%}
    {%- call statement('drop_view') -%}
        drop view if exists {{ view }}
    {%- endcall -%}
    {{ return({'relations': []}) }}
{% endmaterialization %}
