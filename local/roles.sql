-- The roles of the warehouse, and what each may do. Run it once on a server, as somebody who may
-- make roles, and again whenever you like: `make roles`. The embedded server and the one of
-- docker-compose.yml run it by themselves.
--
--   loader        lands files: owns raw_* and audit, sees and touches nothing else
--   transformer   runs dbt: reads what the loader lands, owns what dbt builds
--   reader        reads the marts, without personal data; which relations, dbt grants (`+grants`)
--
-- Nobody logs in as a role. People and programs have users of their own, who are in one:
--
--   create role nightly_load login password '...' in role loader;
--   alter role nightly_load set role = loader;
--   create role nightly_dbt login password '...' in role transformer;
--   alter role nightly_dbt set role = transformer;
--   create role anna login password '...' in role reader;
--
-- `set role` makes the role, not the user, the owner of what they make: then several users can take
-- turns, and the default privileges below, which go by owner, hold.
--
-- Plain SQL in one transaction, for psql and for any driver.
begin;

do $$
declare
    name text;
begin
    -- Not two at once on the same database.
    perform pg_advisory_xact_lock(hashtext('elt-warehouse: roles'));
    foreach name in array array['loader', 'transformer', 'reader'] loop
        begin
            execute format('create role %I nologin', name);
        exception
            -- Roles belong to the server: another database of it may have them, or be making them.
            when duplicate_object or unique_violation then null;
        end;
        -- Default privileges are set by members; who makes a role administers it, but is no member.
        if not pg_has_role(current_user, name, 'usage') then
            execute format('grant %I to %I', name, current_user);
        end if;
    end loop;
    -- To make schemas: raw_* and audit, and those of dbt.
    execute format(
        'grant create, temporary on database %I to loader, transformer', current_database()
    );
end $$;

-- Whatever the loader makes, the transformer may read; nobody else. The second line is for an
-- administrator who loads without being in a role, as on a server of one's own.
alter default privileges for role loader grant usage on schemas to transformer;
alter default privileges for role loader grant select on tables to transformer;
alter default privileges grant usage on schemas to transformer;
alter default privileges grant select on tables to transformer;

comment on role loader is 'Lands files in raw_* and keeps the ledger in audit.';
comment on role transformer is 'Runs dbt: reads raw_*, owns what it builds.';
comment on role reader is 'Reads the marts, without personal data.';

commit;
