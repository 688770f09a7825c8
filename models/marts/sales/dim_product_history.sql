-- Nobody saw what a record was before the first run: its first version counts from the beginning of
-- time, so that every fact finds one. A version is valid from valid_from until before valid_to.

with versions as (

    select * from {{ ref('products_history') }}

),

dated as (

    select
        dbt_scd_id as product_version_key,
        product_key,
        product_id,
        product_name,
        product_number,
        color,
        size,
        product_line,
        product_class,
        product_style,
        weight,
        weight_unit_code,
        standard_cost,
        list_price,
        days_to_manufacture,
        product_subcategory_id,
        product_model_id,
        is_made_in_house,
        is_finished_good,
        sell_start_date,
        sell_end_date,
        discontinued_date,
        modified_at,
        case
            when
                row_number() over (partition by product_id order by dbt_valid_from) = 1
                then cast('1900-01-01' as timestamp)
            else dbt_valid_from
        end as valid_from,
        coalesce(dbt_valid_to, cast('9999-12-31' as timestamp)) as valid_to,
        dbt_valid_to is null as is_current
    from versions

)

select * from dated
