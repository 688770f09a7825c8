with imoveis as (

    {{ list_rejected_values(ref('stg_condominium__property'), 'condominium', 'imoveis') }}

),

moradores as (

    {{ list_rejected_values(ref('stg_condominium__resident'), 'condominium', 'moradores') }}

),

transacoes as (

    {{ list_rejected_values(ref('stg_condominium__transaction'), 'condominium', 'transacoes') }}

),

unioned as (

    select * from imoveis
    union all
    select * from moradores
    union all
    select * from transacoes

)

select * from unioned
