with source as (

    select * from {{ source('audit', 'rejected_rows') }}

),

renamed as (

    select
        -- ids
        file_id,

        -- text
        source,
        feed,
        file,
        reason,

        -- numbers
        line_number
    from source

)

select * from renamed
