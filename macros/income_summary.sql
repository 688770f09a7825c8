{% macro income_summary() -%}
    count(*) as response_count,
        count(*) filter (where not is_duplicate) as distinct_response_count,
        count(*) filter (where is_above_50k) as above_50k_count,
        cast(
            count(*) filter (where is_above_50k) * 1.0 / nullif(count(is_above_50k), 0)
            as numeric(7, 6)
        ) as share_above_50k,
        cast(sum(fnlwgt) as bigint) as weight_total,
        cast(coalesce(sum(fnlwgt) filter (where is_above_50k), 0) as bigint) as weight_above_50k,
        cast(
            coalesce(sum(fnlwgt) filter (where is_above_50k), 0) * 1.0
            / nullif(sum(fnlwgt) filter (where is_above_50k is not null), 0)
            as numeric(7, 6)
        ) as weighted_share_above_50k
{%- endmacro %}
