with runs as (

    select * from {{ ref('stg_audit__runs') }}

),

nodes as (

    select
        run_id,
        count(*) as node_count,
        count(*) filter (where status in ('fail', 'error', 'runtime error')) as failed_count,
        count(*) filter (where status = 'warn') as warning_count,
        count(*) filter (where status = 'skipped') as skipped_count
    from {{ ref('stg_audit__run_nodes') }}
    group by run_id

),

final as (

    select
        runs.run_id,
        runs.kind,
        runs.about,
        runs.code,
        runs.status,
        runs.message,
        runs.started_at,
        runs.ended_at,
        {{ seconds_between('runs.started_at', 'runs.ended_at') }} as seconds,
        runs.row_count,
        coalesce(nodes.node_count, 0) as node_count,
        coalesce(nodes.failed_count, 0) as failed_count,
        coalesce(nodes.warning_count, 0) as warning_count,
        coalesce(nodes.skipped_count, 0) as skipped_count
    from runs
    left join nodes
        on runs.run_id = nodes.run_id

)

select * from final
