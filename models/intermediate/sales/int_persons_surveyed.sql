-- The fences make each expression run once per row. Postgres would clean the document again for
-- every element, and search for an element again wherever a cast looks at it.

with documents as (

    select
        business_entity_id,
        -- What xml_content recognises a missing end tag by.
        demographics || '<' as demographics
    from {{ ref('stg_adventure_works__person') }}
    {{ optimization_fence() }}

),

extracted as (

    select
        business_entity_id,
        {{ xml_content('demographics', 'TotalPurchaseYTD') }} as total_purchase_ytd,
        {{ xml_content('demographics', 'DateFirstPurchase') }} as date_first_purchase,
        {{ xml_content('demographics', 'BirthDate') }} as birth_date,
        {{ xml_content('demographics', 'MaritalStatus') }} as marital_status,
        {{ xml_content('demographics', 'YearlyIncome') }} as yearly_income,
        {{ xml_content('demographics', 'Gender') }} as gender,
        {{ xml_content('demographics', 'TotalChildren') }} as total_children,
        {{ xml_content('demographics', 'NumberChildrenAtHome') }} as number_children_at_home,
        {{ xml_content('demographics', 'Education') }} as education,
        {{ xml_content('demographics', 'Occupation') }} as occupation,
        {{ xml_content('demographics', 'HomeOwnerFlag') }} as is_home_owner,
        {{ xml_content('demographics', 'NumberCarsOwned') }} as number_cars_owned,
        {{ xml_content('demographics', 'CommuteDistance') }} as commute_distance
    from documents
    {{ optimization_fence() }}

),

resolved as (

    -- XML dates may name their time zone; `2003-09-01Z` is that day, in UTC.
    select
        business_entity_id,
        {{ xml_text('total_purchase_ytd') }} as total_purchase_ytd,
        replace({{ xml_text('date_first_purchase') }}, 'Z', '') as date_first_purchase,
        replace({{ xml_text('birth_date') }}, 'Z', '') as birth_date,
        {{ xml_text('marital_status') }} as marital_status,
        {{ xml_text('yearly_income') }} as yearly_income,
        {{ xml_text('gender') }} as gender,
        {{ xml_text('total_children') }} as total_children,
        {{ xml_text('number_children_at_home') }} as number_children_at_home,
        {{ xml_text('education') }} as education,
        {{ xml_text('occupation') }} as occupation,
        {{ xml_text('is_home_owner') }} as is_home_owner,
        {{ xml_text('number_cars_owned') }} as number_cars_owned,
        {{ xml_text('commute_distance') }} as commute_distance
    from extracted
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
    from resolved

)

select * from parsed
