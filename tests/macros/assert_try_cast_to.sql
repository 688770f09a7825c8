-- try_cast_to over usual and hostile values. A row that comes back is a value that was cast to
-- something else than expected, or about which can_cast_to or cast_shape (the rule that Spark goes
-- by) is wrong.

{% set types = [
    'integer', 'bigint', 'numeric(19,4)', 'numeric(4,4)', 'numeric(5,0)', 'date', 'timestamp',
    'boolean',
] %}

with cases as (

    select
        cases.type,
        cases.value,
        cases.expected
    from (
        values
        ('integer', '7', '7'),
        ('integer', ' 7 ', '7'),
        ('integer', chr(9) || '7' || chr(13) || chr(10), '7'),
        ('integer', '+5', '5'),
        ('integer', '-5', '-5'),
        ('integer', '0', '0'),
        ('integer', '-0', '0'),
        ('integer', '007', '7'),
        ('integer', '0000000000000000000007', '7'),
        ('integer', '999999999', '999999999'),
        ('integer', '2147483647', '2147483647'),
        ('integer', '-2147483648', '-2147483648'),
        ('integer', '2147483648', null),
        ('integer', '99999999999', null),
        ('integer', '', null),
        ('integer', '   ', null),
        ('integer', 'NULL', null),
        ('integer', null, null),
        ('integer', 'seven', null),
        ('integer', '7a', null),
        ('integer', '7.0', null),
        ('integer', '1,5', null),
        ('integer', '1_000', null),
        ('integer', '1 000', null),
        ('integer', '1e5', null),
        ('integer', '0x1F', null),
        ('integer', '0b11', null),
        ('integer', '0o17', null),
        ('integer', '--5', null),
        ('integer', '- 5', null),
        ('integer', '5-', null),
        ('integer', '+', null),
        ('integer', 'NaN', null),
        ('integer', 'true', null),
        ('integer', '٣', null),
        ('integer', '５', null),
        ('integer', '−5', null),
        ('integer', chr(160) || '7', null),

        ('bigint', '9223372036854775807', '9223372036854775807'),
        ('bigint', '-9223372036854775808', '-9223372036854775808'),
        ('bigint', '9223372036854775808', null),
        ('bigint', '1_000', null),

        ('numeric(19,4)', '1,5', '1.5000'),
        ('numeric(19,4)', '1.5', '1.5000'),
        ('numeric(19,4)', '3953,9884', '3953.9884'),
        ('numeric(19,4)', '-0,5', '-0.5000'),
        ('numeric(19,4)', '+0.5', '0.5000'),
        ('numeric(19,4)', '-0,00', '0.0000'),
        ('numeric(19,4)', ' 12,34 ', '12.3400'),
        ('numeric(19,4)', '12', '12.0000'),
        ('numeric(19,4)', '0012', '12.0000'),
        ('numeric(19,4)', ',5', '0.5000'),
        ('numeric(19,4)', '.5', '0.5000'),
        ('numeric(19,4)', '5.', '5.0000'),
        ('numeric(19,4)', '2024.994000', '2024.9940'),
        ('numeric(19,4)', '12,340000000000 ', '12.3400'),
        ('numeric(19,4)', '12.34567', null),
        ('numeric(19,4)', '12,00001', null),
        ('numeric(19,4)', '12.345670', null),
        ('numeric(19,4)', '922337203685477,5807', '922337203685477.5807'),
        ('numeric(19,4)', '999999999999999.9999', '999999999999999.9999'),
        ('numeric(19,4)', '1000000000000000', null),
        ('numeric(19,4)', '999999999999999.99999', null),
        ('numeric(19,4)', '1.234,56', null),
        ('numeric(19,4)', '1,234.56', null),
        ('numeric(19,4)', '1.234.567', null),
        ('numeric(19,4)', '1,234,567', null),
        ('numeric(19,4)', '1 234,56', null),
        ('numeric(19,4)', '1' || chr(160) || '234,56', null),
        ('numeric(19,4)', '1_000', null),
        ('numeric(19,4)', '1' || chr(39) || '234.56', null),
        ('numeric(19,4)', '1e5', null),
        ('numeric(19,4)', '1E-2', null),
        ('numeric(19,4)', '1.5f', null),
        ('numeric(19,4)', '0x1F', null),
        ('numeric(19,4)', 'NaN', null),
        ('numeric(19,4)', 'Infinity', null),
        ('numeric(19,4)', '-inf', null),
        ('numeric(19,4)', '$5.00', null),
        ('numeric(19,4)', '5%', null),
        ('numeric(19,4)', '(5)', null),
        ('numeric(19,4)', '5-', null),
        ('numeric(19,4)', '.', null),
        ('numeric(19,4)', ',', null),
        ('numeric(19,4)', '-', null),
        ('numeric(19,4)', '-,', null),
        ('numeric(19,4)', '٣,٥', null),
        ('numeric(19,4)', '', null),
        ('numeric(19,4)', 'NULL', null),
        ('numeric(19,4)', null, null),
        ('numeric(4,4)', '0,1234', '0.1234'),
        ('numeric(4,4)', '1,0', null),
        ('numeric(5,0)', '12,000', '12'),
        ('numeric(5,0)', '12.', '12'),
        ('numeric(5,0)', '12,5', null),
        ('numeric(5,0)', '123456', null),

        ('date', '2011-05-31', '2011-05-31'),
        ('date', ' 2011-05-31 ', '2011-05-31'),
        ('date', '2011-05-31 00:00:00.000', '2011-05-31'),
        ('date', '2011-05-31 23:59:59.999', '2011-05-31'),
        ('date', '2011-05-31 23:59:59', '2011-05-31'),
        ('date', '2011-05-31T23:59:59.9999999', null),
        ('date', '2011-05-31T23:59:59.9999990', '2011-05-31'),
        ('date', '2012-02-29', '2012-02-29'),
        ('date', '0001-01-01 00:00:00.000', '0001-01-01'),
        ('date', '9999-12-31', '9999-12-31'),
        ('date', '2011-02-29', null),
        ('date', '2011-02-30', null),
        ('date', '2011-02-30 00:00:00.000', null),
        ('date', '2011-13-01', null),
        ('date', '2011-00-10', null),
        ('date', '0000-01-01', null),
        ('date', '2011-5-31', null),
        ('date', '20110531', null),
        ('date', '2011', null),
        ('date', '03/04/2024', null),
        ('date', '31.05.2011', null),
        ('date', '31-05-2011', null),
        ('date', '  11-05-31', null),
        ('date', '2011-May-31', null),
        ('date', 'May 31, 2011', null),
        ('date', 'J2455713', null),
        ('date', '12011-05-31', null),
        ('date', '12011-05-31 00:00:00.000', null),
        ('date', '2011-05-31 24:00:00', null),
        ('date', '2011-05-31 00:00:60', null),
        ('date', '2011-05-31 10:00', null),
        ('date', '2011-05-31Z', null),
        ('date', '2011-05-31 00:00:00+02', null),
        ('date', '2011-05-31 00:00:00.000 BC', null),
        ('date', '2011-05-31 00:00:00.1-3', null),
        ('date', 'now', null),
        ('date', 'today', null),
        ('date', 'epoch', null),
        ('date', 'infinity', null),
        ('date', '-infinity', null),
        ('date', '0044-03-15 BC', null),
        ('date', '٢٠١١-٠٥-٣١', null),
        ('date', '', null),
        ('date', 'NULL', null),
        ('date', null, null),

        ('timestamp', '2014-02-08 10:01:36.827', '2014-02-08 10:01:36.827'),
        ('timestamp', '2014-02-08T10:01:36.827', '2014-02-08 10:01:36.827'),
        ('timestamp', '2014-02-08 10:01:36', '2014-02-08 10:01:36'),
        ('timestamp', '2014-02-08 10:01:36.827654', '2014-02-08 10:01:36.827654'),
        ('timestamp', '2014-02-08 10:01:36.8276540', '2014-02-08 10:01:36.827654'),
        ('timestamp', ' 2011-05-31 00:00:00.000', '2011-05-31 00:00:00'),
        ('timestamp', '2011-05-31', '2011-05-31 00:00:00'),
        ('timestamp', '2014-02-08 10:01:36.8276543', null),
        ('timestamp', '2014-02-30 10:01:36.827', null),
        ('timestamp', '2014-02-08 24:00:00.000', null),
        ('timestamp', '2014-02-08 10:01:60.000', null),
        ('timestamp', '2014-02-08 10:60:00.000', null),
        ('timestamp', '2014-02-08 10:01:36,827', null),
        ('timestamp', '2014-02-08 10:01:36.827Z', null),
        ('timestamp', '2014-02-08 10:01:36.827 PM', null),
        ('timestamp', '2014-02-08 10:01:36.1-3', null),
        ('timestamp', '2014-02-08 10:01', null),
        ('timestamp', '02/08/2014 10:01:36', null),
        ('timestamp', '12014-02-08 10:01:36.827', null),
        ('timestamp', 'now', null),
        ('timestamp', 'infinity', null),
        ('timestamp', '-infinity', null),
        ('timestamp', '0044-03-15 00:00:00 BC', null),
        ('timestamp', '12014-02-08 00:00:00', null),
        ('timestamp', '2014-02-08 10:01:36.820', '2014-02-08 10:01:36.82'),
        ('timestamp', '2014-02-08 00:00:00.000', '2014-02-08 00:00:00'),
        ('timestamp', '', null),
        ('timestamp', 'NULL', null),
        ('timestamp', null, null),

        ('boolean', '0', 'false'),
        ('boolean', '1', 'true'),
        ('boolean', ' 1 ', 'true'),
        ('boolean', 'true', 'true'),
        ('boolean', 'False', 'false'),
        ('boolean', 'TRUE', 'true'),
        ('boolean', 'on', null),
        ('boolean', 'off', null),
        ('boolean', 'yes', null),
        ('boolean', 'no', null),
        ('boolean', 't', null),
        ('boolean', 'y', null),
        ('boolean', '2', null),
        ('boolean', '-1', null),
        ('boolean', '01', null),
        ('boolean', '', null),
        ('boolean', 'NULL', null),
        ('boolean', null, null)
    ) as cases (type, value, expected)

),

{% for type in types %}
cast_{{ loop.index }} as (

    select
        type,
        value,
        expected,
        {{ can_cast_to('value', type) }} as can_cast,
        {% if target.type == 'postgres' %}
        value ~ '{{ cast_shape(type) }}'
        and pg_input_is_valid(replace(value, ',', '.'), type) as is_well_formed,
        {% else %}
                {{ can_cast_to('value', type) }} as is_well_formed,
            {% endif %}
        cast({{ try_cast_to('value', type) }} as {{ dbt.type_string() }}) as actual
    from cases
    where type = '{{ type }}'

),

{% endfor %}
casts as (

    {% for type in types %}
    select * from cast_{{ loop.index }}
    {{ 'union all' if not loop.last }}
    {% endfor %}

),

failures as (

    select * from casts
    where
        actual is distinct from expected
        or coalesce(can_cast, false) != (expected is not null)
        or coalesce(is_well_formed, false) != (expected is not null)

    union all

    -- A type missing from the list above would silently go untested.
    select
        type,
        value,
        expected,
        false as can_cast,
        false as is_well_formed,
        cast(null as {{ dbt.type_string() }}) as actual
    from cases
    where
        type not in (
            {% for type in types %}
            '{{ type }}'{{ ',' if not loop.last }}
            {% endfor %}
        )

)

select * from failures
