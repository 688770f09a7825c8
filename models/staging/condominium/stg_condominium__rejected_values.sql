{{ rejected_values(ref('stg_condominium__checked_values')) }}
