with rejected_rows as (

    select * from {{ ref('stg_audit__rejected_rows') }}

),

files as (

    select
        file_id,
        load_id,
        is_current,
        started_at
    from {{ ref('stg_audit__files') }}

),

final as (

    select
        rejected_rows.file_id,
        rejected_rows.line_number,
        rejected_rows.source,
        rejected_rows.feed,
        rejected_rows.file,
        rejected_rows.reason,
        files.load_id,
        files.is_current,
        files.started_at as loaded_at
    from rejected_rows
    inner join files
        on rejected_rows.file_id = files.file_id

)

select * from final
