with persons as (

    select * from {{ ref('stg_adventure_works__person') }}

),

{{ parse_surveys('persons') }}

select * from parsed
