with final as (

    select
        source,
        feed,
        max(ended_at) as loaded_at,
        {{ seconds_between('max(ended_at)', 'current_timestamp') }} / 3600 as hours_since_load
    from {{ ref('stg_audit__files') }}
    where status = 'complete'
    group by source, feed

)

select * from final
