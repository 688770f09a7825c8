-- Which transactions are odd, and why? One can be for both reasons.

select
    transaction_id,
    transaction_date,
    amount,
    'of a resident of another condominium' as reason
from {{ ref('dq_transactions_of_another_condominium') }}

union all

select
    transaction_id,
    transaction_date,
    amount,
    'before the resident was registered' as reason
from {{ ref('dq_transactions_before_registration') }}

order by
    transaction_id asc,
    reason asc
