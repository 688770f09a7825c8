-- How many transactions has each condominium, and what was paid in all? Highest first.

select
    condominium_id,
    condominium_name,
    transaction_count,
    total_amount
from {{ ref('agg_transactions_by_condominium') }}
order by
    total_amount desc nulls last,
    condominium_id asc
