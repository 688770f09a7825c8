with raw_records as (

    select
        cast(sum({{ try_cast_to('fnlwgt', 'bigint') }}) as bigint) as weight_total,
        count(*) as record_count
    from {{ source('census', 'adult') }}

),

fact as (

    select
        cast(sum(fnlwgt) as bigint) as weight_total,
        count(*) as record_count
    from {{ ref('fact_census_response') }}

),

summaries as (
    {% for grouping in ['age_band', 'education', 'occupation', 'sex'] %}
    select
        '{{ grouping }}' as grouped_by,
        cast(sum(response_count) as bigint) as record_count,
        cast(sum(weight_total) as bigint) as weight_total
    from {{ ref('agg_income_by_' ~ grouping) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select
    summaries.grouped_by,
    raw_records.record_count as raw_record_count,
    fact.record_count as fact_record_count,
    summaries.record_count as summary_record_count,
    raw_records.weight_total as raw_weight_total,
    fact.weight_total as fact_weight_total,
    summaries.weight_total as summary_weight_total
from fact
cross join raw_records
cross join summaries
where
    fact.record_count is distinct from raw_records.record_count
    or fact.weight_total is distinct from raw_records.weight_total
    or fact.record_count is distinct from coalesce(summaries.record_count, 0)
    or fact.weight_total is distinct from summaries.weight_total
