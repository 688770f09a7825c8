with adult as (

    {{ list_rejected_values(ref('stg_census__adult'), 'census', 'adult') }}

)

select * from adult
