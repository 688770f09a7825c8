with nodes as (

    select
        node,
        kind,
        name,
        sources,
        status,
        seconds,
        row_count,
        run_id,
        recorded_at,
        row_number() over (partition by node order by run_id desc, recorded_at desc) as age_rank
    from {{ ref('stg_audit__run_nodes') }}
    -- What a failure kept from running says nothing of itself.
    where status != 'skipped'

),

summed as (

    select
        node,
        count(*) as run_count,
        avg(seconds) as mean_seconds,
        max(seconds) as max_seconds
    from nodes
    group by node

),

final as (

    select
        nodes.node,
        nodes.kind,
        nodes.name,
        nodes.sources,
        nodes.status,
        nodes.seconds,
        nodes.row_count,
        nodes.run_id,
        nodes.recorded_at,
        summed.run_count,
        summed.mean_seconds,
        summed.max_seconds
    from nodes
    inner join summed
        on nodes.node = summed.node
    where nodes.age_rank = 1

)

select * from final
