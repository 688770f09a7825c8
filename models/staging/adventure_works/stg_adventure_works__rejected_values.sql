{{ rejected_values(ref('stg_adventure_works__checked_values')) }}
