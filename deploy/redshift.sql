-- The lake on Amazon Redshift: views with the marts' names on the lake's tables in Glue. Run it once,
-- as somebody who may make schemas; `database` is the stack's name with _ for -. The default role of
-- the cluster or workgroup must be allowed to read the Glue database and the lake's bucket.
--
-- It was not run on Redshift: a test parses it in Redshift's dialect, and compares its names with
-- lake/tables.yml and with what the questions read.
--
-- Questions 1, 2, 4 and 5 read these views only, in SQL that Redshift has too: dbt compile --select
-- q1_lines_per_order, then target/compiled/, without the database before each schema. Question 3
-- asks for names, which the lake does not have: its variant is at the end.

create external schema lake
from data catalog
database 'elt_warehouse'
iam_role default;

create schema if not exists marts_breweries;
create schema if not exists marts_census;
create schema if not exists marts_sales;
create schema if not exists quality;

create or replace view marts_sales.agg_daily_sales as
select * from lake.agg_daily_sales
with no schema binding;

create or replace view marts_sales.agg_daily_sales_by_product_line as
select * from lake.agg_daily_sales_by_product_line
with no schema binding;

create or replace view marts_sales.bridge_special_offer_product as
select * from lake.bridge_special_offer_product
with no schema binding;

create or replace view marts_sales.dim_customer_masked as
select * from lake.dim_customer_masked
with no schema binding;

create or replace view marts_sales.dim_date as
select * from lake.dim_date
with no schema binding;

create or replace view marts_sales.dim_person_masked as
select * from lake.dim_person_masked
with no schema binding;

create or replace view marts_sales.dim_product as
select * from lake.dim_product
with no schema binding;

create or replace view marts_sales.dim_product_history as
select * from lake.dim_product_history
with no schema binding;

create or replace view marts_sales.fact_sales as
select * from lake.fact_sales
with no schema binding;

create or replace view marts_census.agg_income_by_age_band as
select * from lake.agg_income_by_age_band
with no schema binding;

create or replace view marts_census.agg_income_by_education as
select * from lake.agg_income_by_education
with no schema binding;

create or replace view marts_census.agg_income_by_occupation as
select * from lake.agg_income_by_occupation
with no schema binding;

create or replace view marts_census.agg_income_by_sex as
select * from lake.agg_income_by_sex
with no schema binding;

create or replace view marts_census.dim_education as
select * from lake.dim_education
with no schema binding;

create or replace view marts_census.fact_census_response as
select * from lake.fact_census_response
with no schema binding;

create or replace view marts_breweries.agg_breweries_by_type_and_country as
select * from lake.agg_breweries_by_type_and_country
with no schema binding;

create or replace view marts_breweries.agg_breweries_by_type_country_and_state as
select * from lake.agg_breweries_by_type_country_and_state
with no schema binding;

create or replace view marts_breweries.dim_brewery as
select * from lake.dim_brewery
with no schema binding;

create or replace view quality.dq_brewery_coordinates_outside_country as
select * from lake.dq_brewery_coordinates_outside_country
with no schema binding;

create or replace view quality.dq_open_brewery_rejected_values as
select * from lake.dq_open_brewery_rejected_values
with no schema binding;

-- Question 3, by masked names: how many orders has each customer placed?
select
    customers.person_id,
    customers.masked_name,
    count(distinct sales.sales_order_id) as order_qty
from marts_sales.fact_sales as sales
inner join marts_sales.dim_customer_masked as customers
    on sales.customer_key = customers.customer_key
group by
    sales.customer_key,
    customers.person_id,
    customers.masked_name
order by order_qty desc, customers.masked_name asc, customers.person_id asc;
