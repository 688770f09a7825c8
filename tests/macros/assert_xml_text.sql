-- xml_content and xml_text over good and broken documents. A row that comes back was not read as
-- expected.

with cases as (

    select
        cases.expected,
        cases.raw_xml || '<' as survey
    from (
        values
        ('<Survey xmlns="http://example.com/s"><Job>Clerical</Job></Survey>', 'Clerical'),
        ('<Survey><JobTitle>Clerk</JobTitle><Job>Manual</Job></Survey>', 'Manual'),
        ('<Survey><Job> Skilled Manual ' || chr(10) || '</Job></Survey>', 'Skilled Manual'),
        ('<Job>R&amp;D &lt;&quot;lead&quot;&gt; &apos;9</Job>', 'R&D <"lead"> ' || chr(39) || '9'),
        ('<Survey><Job>&amp;lt;</Job></Survey>', '&lt;'),
        ('<Survey><Job>Führung</Job></Survey>', 'Führung'),
        ('<Survey><Job>first</Job><Job>second</Job></Survey>', 'first'),
        ('<Survey><Job></Job></Survey>', null),
        ('<Survey><Job/></Survey>', null),
        ('<Survey><Job><b>x</b></Job></Survey>', null),
        ('<Survey><Job>NULL</Job></Survey>', null),
        ('<Survey><job>lower case</job></Survey>', null),
        ('<Survey><JobTitle>Clerk</JobTitle></Survey>', null),
        ('<Survey></Survey>', null),
        ('<Survey><Job>cut o', null),
        ('</Job><Job>', null),
        ('no document', null),
        ('', null),
        (null, null)
    ) as cases (raw_xml, expected)

),

extracted as (

    select
        survey,
        expected,
        {{ xml_content('survey', 'Job') }} as job
    from cases

),

failures as (

    select
        survey,
        expected,
        {{ xml_text('job') }} as actual
    from extracted
    where {{ xml_text('job') }} is distinct from expected

)

select * from failures
