-- What ran and what it did, beside the ledger of loads. Made by whatever runs first; see runs.py and
-- alerts.py, which read and write it.
select pg_advisory_xact_lock(hashtext('extract: schema'));

create schema if not exists audit;

create table if not exists audit.runs (
    run_id bigint generated always as identity primary key,
    kind text not null,
    about text not null,
    code text not null,
    status text not null default 'running'
    check (status in ('running', 'good', 'failed', 'interrupted')),
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    row_count bigint,
    message text
);

create table if not exists audit.run_nodes (
    run_id bigint not null references audit.runs,
    node text not null,
    kind text not null,
    name text not null,
    sources text not null,
    status text not null,
    seconds double precision,
    row_count bigint,
    message text,
    recorded_at timestamptz not null default clock_timestamp()
);

create index if not exists run_nodes_run on audit.run_nodes (run_id);

create table if not exists audit.alerts (
    trouble text primary key,
    since timestamptz not null default clock_timestamp(),
    sent_at timestamptz
);

comment on table audit.runs is
'One row per run (of Airflow too), watch, load or publish: when, what for, and how it ended.';
comment on column audit.runs.kind is
'run, watch, load, publish, build (by a dbt of its own), or scheduled (by Airflow).';
comment on column audit.runs.about is 'The sources or tables that it was asked for; empty: all.';
comment on column audit.runs.code is 'The commit of the code, or CODE_VERSION.';
comment on column audit.runs.status is
'running, good, failed, or interrupted (ended without a word: the next run finds out).';
comment on column audit.runs.row_count is 'Rows that were loaded, or published.';
comment on column audit.runs.message is 'Why it failed.';
comment on table audit.run_nodes is
'One row per thing that a run did: a source loaded, a dbt node built or tested, a table published.';
comment on column audit.run_nodes.node is 'dbt''s unique id; load.<source>; publish.<table>.';
comment on column audit.run_nodes.kind is
'load, publish, or dbt''s resource type (model, seed, snapshot, test).';
comment on column audit.run_nodes.sources is 'Sources whose rows it is about, separated by spaces.';
comment on column audit.run_nodes.status is
'dbt''s word: success, pass, warn, fail, error, skipped; loads and tables: success or error.';
comment on column audit.run_nodes.seconds is 'How long it took.';
comment on column audit.run_nodes.row_count is 'Rows loaded, written or found, where known.';
comment on table audit.alerts is 'One row per trouble that somebody was told of and that is not over.';
comment on column audit.alerts.trouble is 'What it is about, such as load census.';
comment on column audit.alerts.since is 'When it was first seen.';
comment on column audit.alerts.sent_at is 'When it was last told; NULL if that failed.';

-- Who publishes the lake records it; the ledger of loads stays the loader's.
do $$
begin
    if exists (select from pg_roles where rolname = 'transformer') then
        grant select, insert, update, delete on audit.runs, audit.run_nodes, audit.alerts
        to transformer;
    end if;
end $$;
