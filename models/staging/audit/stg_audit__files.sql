with source as (

    select * from {{ source('audit', 'files') }}

),

renamed as (

    select
        -- ids
        file_id,
        load_id,
        replaced_by_load_id,

        -- text
        source,
        feed,
        part,
        file,
        status,

        -- numbers
        row_count,
        rejected_count,

        -- flags
        is_change,
        is_current,
        is_complete,

        -- dates
        started_at,
        ended_at
    from source

)

select * from renamed
