{%- set reports = [
    'agg_transactions_by_condominium',
    'agg_transactions_by_resident',
    'agg_daily_transactions_by_property_type',
] -%}

with raw_transactions as (

    select
        count(*) as transaction_count,
        sum({{ try_cast_to('valor_transacao', 'numeric(19,2)') }}) as amount
    from {{ source('condominium', 'transacoes') }}

),

counted as (

    select
        'fact_transaction' as relation,
        count(*) as transaction_count,
        sum(amount) as amount
    from {{ ref('fact_transaction') }}
    {% for report in reports %}
    union all
    select
        '{{ report }}' as relation,
        sum(transaction_count) as transaction_count,
        sum(total_amount) as amount
    from {{ ref(report) }}
    {% endfor %}
)

select
    counted.relation,
    counted.transaction_count,
    raw_transactions.transaction_count as raw_transaction_count,
    counted.amount,
    raw_transactions.amount as raw_amount
from counted
cross join raw_transactions
where
    -- Over no rows a sum is NULL, and a count 0.
    coalesce(counted.transaction_count, 0) != raw_transactions.transaction_count
    or counted.amount is distinct from raw_transactions.amount
