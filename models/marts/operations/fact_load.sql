with loads as (

    select * from {{ ref('stg_audit__loads') }}

),

files as (

    select
        load_id,
        count(*) as file_count,
        sum(rejected_count) as rejected_count
    from {{ ref('stg_audit__files') }}
    group by load_id

),

final as (

    select
        loads.load_id,
        loads.source,
        loads.status,
        loads.error,
        loads.started_at,
        loads.ended_at,
        {{ seconds_between('loads.started_at', 'loads.ended_at') }} as seconds,
        coalesce(files.file_count, 0) as file_count,
        loads.row_count,
        cast(coalesce(files.rejected_count, 0) as bigint) as rejected_count
    from loads
    left join files
        on loads.load_id = files.load_id

)

select * from final
