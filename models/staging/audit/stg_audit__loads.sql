with source as (

    select * from {{ source('audit', 'loads') }}

),

renamed as (

    select
        -- ids
        load_id,

        -- text
        source,
        status,
        error,

        -- numbers
        row_count,

        -- dates
        started_at,
        ended_at
    from source

)

select * from renamed
