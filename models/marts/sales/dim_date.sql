with days as (

    {{ date_spine(var('calendar_start'), var('calendar_end')) }}

),

numbered as (

    select
        date_day,
        cast(extract(year from date_day) as integer) as year,
        cast(extract(quarter from date_day) as integer) as quarter,
        cast(extract(month from date_day) as integer) as month,
        cast(extract(day from date_day) as integer) as day_of_month,
        {{ day_of_week_iso('date_day') }} as day_of_week
    from days

),

named as (

    select
        date_day,
        year,
        quarter,
        month,
        case month
            {%- for month in ['January', 'February', 'March', 'April', 'May', 'June', 'July',
                              'August', 'September', 'October', 'November', 'December'] %}
            when {{ loop.index }} then '{{ month }}'
            {%- endfor %}
        end as month_name,
        day_of_month,
        day_of_week,
        case day_of_week
            {%- for day in ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday',
                            'Sunday'] %}
            when {{ loop.index }} then '{{ day }}'
            {%- endfor %}
        end as day_name,
        day_of_week >= 6 as is_weekend
    from numbered

)

select * from named
