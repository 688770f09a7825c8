-- Indexes: joins come by key, people by id. Statistics at once: whatever comes next joins it.
{{
    config(
        indexes=table_indexes([
            {'columns': ['person_key'], 'unique': true},
            {'columns': ['business_entity_id']},
        ]),
        post_hook="{{ analyze_table() }}",
    )
}}

with persons as (

    select * from {{ ref('int_persons_surveyed') }}

),

person_types as (

    select * from {{ ref('person_types') }}

),

known as (

    select
        {{ dbt_utils.generate_surrogate_key(['persons.business_entity_id']) }} as person_key,
        persons.business_entity_id,
        persons.person_type,
        person_types.person_type_name,
        persons.title,
        persons.first_name,
        persons.middle_name,
        persons.last_name,
        persons.suffix,
        {{ full_name('persons') }} as full_name,
        persons.email_promotion,
        persons.total_purchase_ytd,
        persons.date_first_purchase,
        persons.birth_date,
        persons.marital_status,
        persons.yearly_income,
        persons.gender,
        persons.total_children,
        persons.number_children_at_home,
        persons.education,
        persons.occupation,
        persons.is_home_owner,
        persons.number_cars_owned,
        persons.commute_distance,
        persons.modified_at,
        persons._load_id as load_id
    from persons
    left join person_types
        on persons.person_type = person_types.person_type

),

unioned as (

    select * from known
    union all
    -- The unknown member: what a key with no match points at.
    select
        {{ unknown_key() }} as person_key,
        -1 as business_entity_id,
        null as person_type,
        null as person_type_name,
        null as title,
        null as first_name,
        null as middle_name,
        null as last_name,
        null as suffix,
        '(unknown)' as full_name,
        null as email_promotion,
        null as total_purchase_ytd,
        null as date_first_purchase,
        null as birth_date,
        null as marital_status,
        null as yearly_income,
        null as gender,
        null as total_children,
        null as number_children_at_home,
        null as education,
        null as occupation,
        null as is_home_owner,
        null as number_cars_owned,
        null as commute_distance,
        null as modified_at,
        null as load_id

)

select * from unioned
