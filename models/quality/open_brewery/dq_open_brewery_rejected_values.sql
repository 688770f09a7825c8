with breweries as (

    {{ list_rejected_values(ref('stg_open_brewery__breweries'), 'open_brewery', 'breweries') }}

)

select * from breweries
