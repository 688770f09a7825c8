{{ config(severity='warn') }}

{%- set typed_answers = {
    'total_purchase_ytd': 'TotalPurchaseYTD',
    'date_first_purchase': 'DateFirstPurchase',
    'birth_date': 'BirthDate',
    'total_children': 'TotalChildren',
    'number_children_at_home': 'NumberChildrenAtHome',
    'is_home_owner': 'HomeOwnerFlag',
    'number_cars_owned': 'NumberCarsOwned',
} -%}

with surveys as (

    select
        parsed.*,
        persons.demographics
    from {{ ref('stg_adventure_works__person') }} as persons
    inner join {{ ref('dim_person') }} as parsed
        on persons.business_entity_id = parsed.business_entity_id

)

select
    business_entity_id,
    demographics
from surveys
where
{% for column, element in typed_answers.items() -%}
    {{ 'or ' if not loop.first -}}
    ({{ column }} is null and demographics like '%<{{ element }}>_%</{{ element }}>%')
{% endfor %}
