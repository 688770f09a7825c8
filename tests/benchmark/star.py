"""The star by hand: what a person who knows SQL, and this data, would write to build its tables.

Same tables, columns, rows and indexes as the models', read from the same raw views; but plain
casts, which stop at the first value that is not of its type, no contracts and no comments.
"""

SCHEMA = "by_hand"


def _survey(tag: str) -> str:
    """Returns the text of an element of the survey, NULL if it is empty or not there."""
    return f"nullif(split_part(split_part(demographics, '<{tag}>', 2), '<', 1), '')"


def _integer(column: str) -> str:
    return f"nullif({column}, 'NULL')::integer"


def _numeric(column: str, scale: int = 4) -> str:
    return f"replace(nullif({column}, 'NULL'), ',', '.')::numeric(19, {scale})"


# A table and the statements that build it, in an order in which each finds what it reads.
TABLES = {
    "dim_date": f"""
        create table {SCHEMA}.dim_date as
        select
            day::date as date_day,
            extract(year from day)::integer as year,
            extract(quarter from day)::integer as quarter,
            extract(month from day)::integer as month,
            to_char(day, 'FMMonth') as month_name,
            extract(day from day)::integer as day_of_month,
            extract(isodow from day)::integer as day_of_week,
            to_char(day, 'FMDay') as day_name,
            extract(isodow from day) >= 6 as is_weekend
        from generate_series(timestamp '2005-01-01', '2034-12-31', '1 day') as days (day)
    """,
    "dim_product": f"""
        create table {SCHEMA}.dim_product as
        select
            md5(product_id) as product_key,
            {_integer("product_id")} as product_id,
            name as product_name,
            product_number,
            nullif(color, 'NULL') as color,
            nullif(size, 'NULL') as size,
            nullif(trim(size_unit_measure_code), 'NULL') as size_unit_code,
            nullif(trim(weight_unit_measure_code), 'NULL') as weight_unit_code,
            nullif(trim(product_line), 'NULL') as product_line,
            nullif(trim(class), 'NULL') as product_class,
            nullif(trim(style), 'NULL') as product_style,
            {_numeric("weight")} as weight,
            {_numeric("standard_cost")} as standard_cost,
            {_numeric("list_price")} as list_price,
            {_integer("safety_stock_level")} as safety_stock_level,
            {_integer("reorder_point")} as reorder_point,
            {_integer("days_to_manufacture")} as days_to_manufacture,
            {_integer("product_subcategory_id")} as product_subcategory_id,
            {_integer("product_model_id")} as product_model_id,
            make_flag::boolean as is_made_in_house,
            finished_goods_flag::boolean as is_finished_good,
            nullif(sell_start_date, 'NULL')::date as sell_start_date,
            nullif(sell_end_date, 'NULL')::date as sell_end_date,
            nullif(discontinued_date, 'NULL')::date as discontinued_date,
            modified_date::timestamp as modified_at
        from raw_adventure_works.product;
        insert into {SCHEMA}.dim_product (product_key, product_id, product_name)
        values ('unknown', -1, '(unknown)');
        create unique index on {SCHEMA}.dim_product (product_key);
        create index on {SCHEMA}.dim_product (product_id);
        analyze {SCHEMA}.dim_product
    """,
    "dim_person": f"""
        create table {SCHEMA}.dim_person as
        select
            md5(business_entity_id) as person_key,
            {_integer("business_entity_id")} as business_entity_id,
            person_type,
            person_type_name,
            nullif(title, 'NULL') as title,
            nullif(first_name, 'NULL') as first_name,
            nullif(middle_name, 'NULL') as middle_name,
            nullif(last_name, 'NULL') as last_name,
            nullif(suffix, 'NULL') as suffix,
            concat_ws(
                ' ',
                nullif(first_name, 'NULL'),
                nullif(middle_name, 'NULL'),
                nullif(last_name, 'NULL'),
                nullif(suffix, 'NULL')
            ) as full_name,
            {_integer("email_promotion")} as email_promotion,
            {_survey("TotalPurchaseYTD")}::numeric(19, 4) as total_purchase_ytd,
            rtrim({_survey("DateFirstPurchase")}, 'Z')::date as date_first_purchase,
            rtrim({_survey("BirthDate")}, 'Z')::date as birth_date,
            {_survey("MaritalStatus")} as marital_status,
            {_survey("YearlyIncome")} as yearly_income,
            {_survey("Gender")} as gender,
            {_survey("TotalChildren")}::integer as total_children,
            {_survey("NumberChildrenAtHome")}::integer as number_children_at_home,
            {_survey("Education")} as education,
            {_survey("Occupation")} as occupation,
            {_survey("HomeOwnerFlag")}::boolean as is_home_owner,
            {_survey("NumberCarsOwned")}::integer as number_cars_owned,
            {_survey("CommuteDistance")} as commute_distance,
            modified_date::timestamp as modified_at,
            _load_id as load_id
        from raw_adventure_works.person
        left join seeds.person_types using (person_type);
        insert into {SCHEMA}.dim_person (person_key, business_entity_id, full_name)
        values ('unknown', -1, '(unknown)');
        create unique index on {SCHEMA}.dim_person (person_key);
        create index on {SCHEMA}.dim_person (business_entity_id);
        analyze {SCHEMA}.dim_person
    """,
    "dim_customer": f"""
        create table {SCHEMA}.dim_customer as
        with customers as (
            select
                {_integer("customer_id")} as customer_id,
                {_integer("person_id")} as person_id,
                {_integer("store_id")} as store_id,
                {_integer("territory_id")} as territory_id,
                account_number,
                modified_date::timestamp as modified_at,
                _load_id as load_id
            from raw_adventure_works.customer
        )
        select
            md5(customers.customer_id::text) as customer_key,
            customers.customer_id,
            coalesce(persons.person_key, 'unknown') as person_key,
            customers.person_id,
            customers.store_id,
            customers.territory_id,
            customers.account_number,
            case
                when customers.person_id is not null and customers.store_id is not null
                    then 'store contact'
                when customers.person_id is not null then 'individual'
                when customers.store_id is not null then 'store'
                else 'unknown'
            end as customer_type,
            coalesce(persons.full_name, 'Store ' || customers.store_id) as customer_name,
            customers.modified_at,
            customers.load_id
        from customers
        left join {SCHEMA}.dim_person as persons
            on customers.person_id = persons.business_entity_id;
        insert into {SCHEMA}.dim_customer
            (customer_key, customer_id, person_key, customer_type, customer_name)
        values ('unknown', -1, 'unknown', 'unknown', '(unknown)');
        create unique index on {SCHEMA}.dim_customer (customer_key);
        create index on {SCHEMA}.dim_customer (customer_id);
        analyze {SCHEMA}.dim_customer
    """,
    "bridge_special_offer_product": f"""
        create table {SCHEMA}.bridge_special_offer_product as
        select
            offered.special_offer_id::integer as special_offer_id,
            coalesce(products.product_key, 'unknown') as product_key,
            offered.product_id::integer as product_id
        from raw_adventure_works.special_offer_product as offered
        left join {SCHEMA}.dim_product as products
            on offered.product_id::integer = products.product_id
    """,
    # `offset 0` keeps PostgreSQL from casting a column again wherever it is used.
    "fact_sales": f"""
        create table {SCHEMA}.fact_sales as
        with lines as (
            select
                {_integer("sales_order_id")} as sales_order_id,
                {_integer("sales_order_detail_id")} as sales_order_detail_id,
                {_integer("product_id")} as product_id,
                {_integer("special_offer_id")} as special_offer_id,
                {_integer("order_qty")} as order_qty,
                {_numeric("unit_price")} as unit_price,
                {_numeric("unit_price_discount")} as unit_price_discount,
                {_numeric("line_total", 6)} as line_total,
                _file_id,
                _load_id
            from raw_adventure_works.sales_order_detail
            offset 0
        ),

        orders as (
            select
                {_integer("sales_order_id")} as sales_order_id,
                sales_order_number,
                {_integer("customer_id")} as customer_id,
                {_integer("status")} as order_status_id,
                nullif(order_date, 'NULL')::date as order_date,
                nullif(due_date, 'NULL')::date as due_date,
                nullif(ship_date, 'NULL')::date as ship_date,
                online_order_flag::boolean as is_online_order,
                {_numeric("tax_amt")} as tax_amount,
                {_numeric("freight")} as freight_amount,
                {_numeric("total_due")} as total_due,
                _file_id,
                _load_id
            from raw_adventure_works.sales_order_header
            offset 0
        ),

        weighted as (
            select
                *,
                sum(line_total) over (partition by sales_order_id) as order_total,
                sum(line_total) over (
                    partition by sales_order_id
                    order by sales_order_detail_id
                    rows between unbounded preceding and current row
                ) as through
            from lines
        )

        select
            md5(weighted.sales_order_id || '-' || weighted.sales_order_detail_id) as sales_key,
            weighted.sales_order_id,
            weighted.sales_order_detail_id,
            orders.sales_order_number,
            orders.order_date,
            orders.due_date,
            orders.ship_date,
            coalesce(customers.customer_key, 'unknown') as customer_key,
            coalesce(customers.person_key, 'unknown') as person_key,
            coalesce(products.product_key, 'unknown') as product_key,
            weighted.special_offer_id,
            orders.is_online_order,
            order_statuses.order_status,
            weighted.order_qty,
            weighted.unit_price,
            weighted.unit_price_discount,
            weighted.line_total,
            {{tax_amount}} as tax_amount,
            {{freight_amount}} as freight_amount,
            {{total_due}} as total_due,
            weighted._file_id as line_file_id,
            orders._file_id as header_file_id,
            greatest(weighted._load_id, coalesce(orders._load_id, 0)) as load_id
        from weighted
        left join orders using (sales_order_id)
        left join {SCHEMA}.dim_customer as customers using (customer_id)
        left join {SCHEMA}.dim_product as products using (product_id)
        left join seeds.order_statuses using (order_status_id);
        create index on {SCHEMA}.fact_sales using brin (order_date);
        create index on {SCHEMA}.fact_sales (sales_order_id);
        create index on {SCHEMA}.fact_sales (coalesce(sales_order_id, 0));
        create index on {SCHEMA}.fact_sales (load_id);
        create index on {SCHEMA}.fact_sales (line_file_id);
        create index on {SCHEMA}.fact_sales (header_file_id);
        analyze {SCHEMA}.fact_sales
    """.format(
        **{
            # What the rounded running amount grows by: the parts add up to the whole.
            amount: f"""
                (
                    round(orders.{amount} * through / order_total, 4)
                    - round(orders.{amount} * (through - line_total) / order_total, 4)
                )::numeric(19, 4)
            """
            for amount in ("tax_amount", "freight_amount", "total_due")
        }
    ),
    "agg_daily_sales_by_product_line": f"""
        create table {SCHEMA}.agg_daily_sales_by_product_line as
        with orders as (
            select
                sales_order_id,
                order_date,
                customer_key,
                is_online_order,
                coalesce(product_line, '(none)') as product_line,
                sum(order_qty) as unit_count,
                sum(line_total) as line_total,
                sum(total_due) as total_due
            from {SCHEMA}.fact_sales
            join {SCHEMA}.dim_product using (product_key)
            where order_date is not null
            group by 1, 2, 3, 4, 5
        ),

        placed as (
            select
                orders.*,
                territory_id,
                row_number() over (partition by sales_order_id order by product_line) as place
            from orders
            join {SCHEMA}.dim_customer using (customer_key)
        )

        select
            order_date,
            product_line,
            territory_id,
            is_online_order,
            sum(unit_count)::bigint as unit_count,
            sum(line_total)::numeric(19, 6) as line_total,
            sum(total_due)::numeric(19, 4) as total_due,
            count(*) as order_count,
            count(*) filter (where place = 1) as whole_order_count
        from placed
        group by 1, 2, 3, 4
    """,
    "agg_daily_sales": f"""
        create table {SCHEMA}.agg_daily_sales as
        select
            order_date,
            sum(line_total)::numeric(19, 6) as line_total,
            sum(total_due)::numeric(19, 4) as total_due,
            sum(unit_count)::bigint as unit_count,
            sum(whole_order_count)::bigint as order_count
        from {SCHEMA}.agg_daily_sales_by_product_line
        group by order_date
    """,
}
