{%- set casts = [] -%}

with source as (

    select * from {{ source('adventure_works', 'product') }}

),

renamed as (

    select
        -- ids
        {{ try_cast_to('product_id', 'integer', casts) }} as product_id,
        {{ try_cast_to('product_subcategory_id', 'integer', casts) }} as product_subcategory_id,
        {{ try_cast_to('product_model_id', 'integer', casts) }} as product_model_id,

        -- text
        {{ clean_text('name') }} as product_name,
        {{ clean_text('product_number') }} as product_number,
        {{ clean_text('color') }} as color,
        {{ clean_text('size') }} as size,
        {{ clean_text('size_unit_measure_code') }} as size_unit_code,
        {{ clean_text('weight_unit_measure_code') }} as weight_unit_code,
        {{ clean_text('product_line') }} as product_line,
        {{ clean_text('class') }} as product_class,
        {{ clean_text('style') }} as product_style,

        -- numbers
        {{ try_cast_to('weight', 'numeric(19,4)', casts) }} as weight,
        {{ try_cast_to('standard_cost', 'numeric(19,4)', casts) }} as standard_cost,
        {{ try_cast_to('list_price', 'numeric(19,4)', casts) }} as list_price,
        {{ try_cast_to('safety_stock_level', 'integer', casts) }} as safety_stock_level,
        {{ try_cast_to('reorder_point', 'integer', casts) }} as reorder_point,
        {{ try_cast_to('days_to_manufacture', 'integer', casts) }} as days_to_manufacture,

        -- flags
        {{ try_cast_to('make_flag', 'boolean', casts) }} as is_made_in_house,
        {{ try_cast_to('finished_goods_flag', 'boolean', casts) }} as is_finished_good,

        -- dates
        {{ try_cast_to('sell_start_date', 'date', casts) }} as sell_start_date,
        {{ try_cast_to('sell_end_date', 'date', casts) }} as sell_end_date,
        {{ try_cast_to('discontinued_date', 'date', casts) }} as discontinued_date,
        {{ try_cast_to('modified_date', 'timestamp', casts) }} as modified_at,

        -- what did not cast
        {{ rejected_values(casts, record_key=['product_id']) }} as rejected_values,

        -- lineage
        _source_file,
        _source_line,
        _load_id,
        _loaded_at
    from source

)

select * from renamed
