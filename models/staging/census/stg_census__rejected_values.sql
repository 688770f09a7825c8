{{ rejected_values(ref('stg_census__checked_values')) }}
