{# The answers in the surveys of persons. Whoever wants only some persons must choose them before:
   nothing gets past the fences, which make each expression run once per row. (Postgres would clean
   the document again for every element, and search for an element again wherever a cast looks at it.)
#}
{% macro parse_surveys(persons) -%}
documents as (

    select
        business_entity_id,
        demographics
    from {{ persons }}
    {{ optimization_fence() }}

),

extracted as (

    select
        business_entity_id,
        {{ xml_value('demographics', 'TotalPurchaseYTD') }} as total_purchase_ytd,
        -- XML dates may name their time zone; `2003-09-01Z` is that day, in UTC.
        replace(
            {{ xml_value('demographics', 'DateFirstPurchase') }}, 'Z', ''
        ) as date_first_purchase,
        replace({{ xml_value('demographics', 'BirthDate') }}, 'Z', '') as birth_date,
        {{ xml_value('demographics', 'MaritalStatus') }} as marital_status,
        {{ xml_value('demographics', 'YearlyIncome') }} as yearly_income,
        {{ xml_value('demographics', 'Gender') }} as gender,
        {{ xml_value('demographics', 'TotalChildren') }} as total_children,
        {{ xml_value('demographics', 'NumberChildrenAtHome') }} as number_children_at_home,
        {{ xml_value('demographics', 'Education') }} as education,
        {{ xml_value('demographics', 'Occupation') }} as occupation,
        {{ xml_value('demographics', 'HomeOwnerFlag') }} as is_home_owner,
        {{ xml_value('demographics', 'NumberCarsOwned') }} as number_cars_owned,
        {{ xml_value('demographics', 'CommuteDistance') }} as commute_distance
    from documents
    {{ optimization_fence() }}

),

parsed as (

    select
        business_entity_id,
        {{ try_cast_to('total_purchase_ytd', 'numeric(19,4)') }} as total_purchase_ytd,
        {{ try_cast_to('date_first_purchase', 'date') }} as date_first_purchase,
        {{ try_cast_to('birth_date', 'date') }} as birth_date,
        marital_status,
        yearly_income,
        gender,
        {{ try_cast_to('total_children', 'integer') }} as total_children,
        {{ try_cast_to('number_children_at_home', 'integer') }} as number_children_at_home,
        education,
        occupation,
        {{ try_cast_to('is_home_owner', 'boolean') }} as is_home_owner,
        {{ try_cast_to('number_cars_owned', 'integer') }} as number_cars_owned,
        commute_distance
    from extracted

)
{%- endmacro %}
