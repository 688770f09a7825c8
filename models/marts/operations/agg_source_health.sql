with files as (

    select
        source,
        max(case when status = 'complete' then ended_at end) as loaded_at,
        sum(case when is_current then row_count - rejected_count else 0 end) as row_count,
        sum(case when is_current then rejected_count else 0 end) as rejected_count
    from {{ ref('stg_audit__files') }}
    group by source

),

nodes as (

    select
        sources,
        kind,
        status,
        recorded_at,
        row_number() over (partition by node order by run_id desc, recorded_at desc) as age_rank
    from {{ ref('stg_audit__run_nodes') }}
    -- What a failure kept from running says nothing of itself.
    where status != 'skipped'

),

findings as (

    -- How each load, model and test ended when it last ran.
    select
        files.source,
        max(case when nodes.kind = 'model' and nodes.status = 'success' then nodes.recorded_at end)
            as built_at,
        count(case when nodes.status = 'warn' then 1 end) as warning_count,
        count(case when nodes.status in ('fail', 'error', 'runtime error') then 1 end)
            as failure_count
    from files
    inner join nodes
        on concat(' ', nodes.sources, ' ') like concat('% ', files.source, ' %')
    where nodes.age_rank = 1
    group by files.source

),

final as (

    select
        files.source,
        files.loaded_at,
        findings.built_at,
        {{ seconds_between('files.loaded_at', 'current_timestamp') }} / 3600 as hours_since_load,
        cast(files.row_count as bigint) as row_count,
        cast(files.rejected_count as bigint) as rejected_count,
        coalesce(findings.warning_count, 0) as warning_count,
        coalesce(findings.failure_count, 0) as failure_count
    from files
    left join findings
        on files.source = findings.source

)

select * from final
