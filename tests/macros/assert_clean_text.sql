-- clean_text over padding and null markers. A row that comes back was not cleaned as expected.

with cases as (

    select
        cases.value,
        cases.expected
    from (
        values
        ('CM ', 'CM'),
        ('  R  ', 'R'),
        (chr(9) || 'S' || chr(13) || chr(10), 'S'),
        ('Ms. Sánchez', 'Ms. Sánchez'),
        ('two  words', 'two  words'),
        ('', null),
        ('   ', null),
        (chr(9), null),
        ('NULL', null),
        (' NULL ', null),
        (null, null),
        -- Only the exact marker: these may be names.
        ('null', 'null'),
        ('Null', 'Null'),
        ('NULLABLE', 'NULLABLE'),
        ('N/A', 'N/A'),
        ('?', '?'),
        ('0', '0')
    ) as cases (value, expected)

),

marked_cases as (

    -- With a null marker of the source's own, `NULL` is a text like any other.
    select
        cases.value,
        cases.expected
    from (
        values
        ('?', null),
        (' ? ', null),
        ('', null),
        (null, null),
        ('??', '??'),
        ('NULL', 'NULL')
    ) as cases (value, expected)

),

failures as (

    select
        value,
        expected,
        {{ clean_text('value') }} as actual
    from cases
    where {{ clean_text('value') }} is distinct from expected
    union all
    select
        value,
        expected,
        {{ clean_text('value', '?') }} as actual
    from marked_cases
    where {{ clean_text('value', '?') }} is distinct from expected

)

select * from failures
