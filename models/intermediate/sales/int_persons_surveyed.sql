-- The fences make each expression run once per row. Postgres would clean the document again for
-- every element, and search for an element again wherever a cast looks at it.

with documents as (

    select
        *,
        -- What xml_content recognises a missing end tag by.
        demographics || '<' as survey
    from {{ ref('stg_adventure_works__person') }}
    {{ optimization_fence() }}

),

extracted as (

    select
        *,
        {{ xml_content('survey', 'TotalPurchaseYTD') }} as total_purchase_ytd_xml,
        {{ xml_content('survey', 'DateFirstPurchase') }} as date_first_purchase_xml,
        {{ xml_content('survey', 'BirthDate') }} as birth_date_xml,
        {{ xml_content('survey', 'MaritalStatus') }} as marital_status_xml,
        {{ xml_content('survey', 'YearlyIncome') }} as yearly_income_xml,
        {{ xml_content('survey', 'Gender') }} as gender_xml,
        {{ xml_content('survey', 'TotalChildren') }} as total_children_xml,
        {{ xml_content('survey', 'NumberChildrenAtHome') }} as number_children_at_home_xml,
        {{ xml_content('survey', 'Education') }} as education_xml,
        {{ xml_content('survey', 'Occupation') }} as occupation_xml,
        {{ xml_content('survey', 'HomeOwnerFlag') }} as is_home_owner_xml,
        {{ xml_content('survey', 'NumberCarsOwned') }} as number_cars_owned_xml,
        {{ xml_content('survey', 'CommuteDistance') }} as commute_distance_xml
    from documents
    {{ optimization_fence() }}

),

resolved as (

    -- XML dates may name their time zone; `2003-09-01Z` is that day, in UTC.
    select
        *,
        {{ xml_text('total_purchase_ytd_xml') }} as total_purchase_ytd_text,
        replace({{ xml_text('date_first_purchase_xml') }}, 'Z', '') as date_first_purchase_text,
        replace({{ xml_text('birth_date_xml') }}, 'Z', '') as birth_date_text,
        {{ xml_text('marital_status_xml') }} as marital_status_text,
        {{ xml_text('yearly_income_xml') }} as yearly_income_text,
        {{ xml_text('gender_xml') }} as gender_text,
        {{ xml_text('total_children_xml') }} as total_children_text,
        {{ xml_text('number_children_at_home_xml') }} as number_children_at_home_text,
        {{ xml_text('education_xml') }} as education_text,
        {{ xml_text('occupation_xml') }} as occupation_text,
        {{ xml_text('is_home_owner_xml') }} as is_home_owner_text,
        {{ xml_text('number_cars_owned_xml') }} as number_cars_owned_text,
        {{ xml_text('commute_distance_xml') }} as commute_distance_text
    from extracted
    {{ optimization_fence() }}

),

parsed as (

    select
        business_entity_id,
        person_type,
        title,
        first_name,
        middle_name,
        last_name,
        suffix,
        email_promotion,
        {{ try_cast_to('total_purchase_ytd_text', 'numeric(19,4)') }} as total_purchase_ytd,
        {{ try_cast_to('date_first_purchase_text', 'date') }} as date_first_purchase,
        {{ try_cast_to('birth_date_text', 'date') }} as birth_date,
        marital_status_text as marital_status,
        yearly_income_text as yearly_income,
        gender_text as gender,
        {{ try_cast_to('total_children_text', 'integer') }} as total_children,
        {{ try_cast_to('number_children_at_home_text', 'integer') }} as number_children_at_home,
        education_text as education,
        occupation_text as occupation,
        {{ try_cast_to('is_home_owner_text', 'boolean') }} as is_home_owner,
        {{ try_cast_to('number_cars_owned_text', 'integer') }} as number_cars_owned,
        commute_distance_text as commute_distance,
        modified_at,
        _load_id
    from resolved

)

select * from parsed
