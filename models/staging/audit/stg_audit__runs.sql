with source as (

    select * from {{ source('audit', 'runs') }}

),

renamed as (

    select
        -- ids
        run_id,

        -- text
        kind,
        about,
        code,
        status,
        message,

        -- numbers
        row_count,

        -- dates
        started_at,
        ended_at
    from source

)

select * from renamed
