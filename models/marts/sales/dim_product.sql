-- Indexes: joins come by key, people by id. Statistics at once: the models downstream join it.
{{
    config(
        indexes=table_indexes([
            {'columns': ['product_key'], 'unique': true},
            {'columns': ['product_id']},
        ]),
        post_hook="{{ analyze_table() }}",
    )
}}

with products as (

    select * from {{ ref('stg_adventure_works__product') }}

),

known as (

    select
        {{ dbt_utils.generate_surrogate_key(['product_id']) }} as product_key,
        product_id,
        product_name,
        product_number,
        color,
        size,
        size_unit_code,
        weight_unit_code,
        product_line,
        product_class,
        product_style,
        weight,
        standard_cost,
        list_price,
        safety_stock_level,
        reorder_point,
        days_to_manufacture,
        product_subcategory_id,
        product_model_id,
        is_made_in_house,
        is_finished_good,
        sell_start_date,
        sell_end_date,
        discontinued_date,
        modified_at
    from products

),

unioned as (

    select * from known
    union all
    -- The unknown member: what a key with no match points at.
    select
        {{ unknown_key() }} as product_key,
        -1 as product_id,
        '(unknown)' as product_name,
        null as product_number,
        null as color,
        null as size,
        null as size_unit_code,
        null as weight_unit_code,
        null as product_line,
        null as product_class,
        null as product_style,
        null as weight,
        null as standard_cost,
        null as list_price,
        null as safety_stock_level,
        null as reorder_point,
        null as days_to_manufacture,
        null as product_subcategory_id,
        null as product_model_id,
        null as is_made_in_house,
        null as is_finished_good,
        null as sell_start_date,
        null as sell_end_date,
        null as discontinued_date,
        null as modified_at

)

select * from unioned
