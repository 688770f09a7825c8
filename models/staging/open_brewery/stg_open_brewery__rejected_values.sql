{{ rejected_values(ref('stg_open_brewery__checked_values')) }}
