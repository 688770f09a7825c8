-- How many transactions has each resident, and what was paid in all? Highest first.
--
-- By id: two residents can share a name.

select
    resident_id,
    transaction_count,
    total_amount
from {{ ref('agg_transactions_by_resident') }}
order by
    total_amount desc nulls last,
    resident_id asc
