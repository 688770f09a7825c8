with source as (

    select * from {{ source('audit', 'run_nodes') }}

),

renamed as (

    select
        -- ids
        run_id,
        node,

        -- text
        kind,
        name,
        sources,
        status,
        message,

        -- numbers
        seconds,
        row_count,

        -- dates
        recorded_at
    from source

)

select * from renamed
