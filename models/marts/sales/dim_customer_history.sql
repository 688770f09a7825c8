-- Nobody saw what a record was before the first run: its first version counts from the beginning of
-- time, so that every fact finds one. A version is valid from valid_from until before valid_to.

with versions as (

    select * from {{ ref('customers_history') }}

),

dated as (

    select
        dbt_scd_id as customer_version_key,
        {{ dbt_utils.generate_surrogate_key(['customer_id']) }} as customer_key,
        customer_id,
        person_id,
        store_id,
        territory_id,
        account_number,
        customer_type,
        modified_at,
        case
            when
                row_number() over (partition by customer_id order by dbt_valid_from) = 1
                then cast('1900-01-01' as timestamp)
            else dbt_valid_from
        end as valid_from,
        coalesce(dbt_valid_to, cast('9999-12-31' as timestamp)) as valid_to,
        dbt_valid_to is null as is_current
    from versions

)

select * from dated
