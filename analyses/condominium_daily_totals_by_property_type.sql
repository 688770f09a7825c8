-- What was paid on each day for each type of property?

select
    transaction_date,
    property_type,
    transaction_count,
    total_amount
from {{ ref('agg_daily_transactions_by_property_type') }}
order by
    transaction_date asc nulls last,
    property_type asc nulls last
