-- The ledger. Made by the first load; see extract/ledger.py, which reads and writes it.

create table audit.loads (
    load_id bigint generated always as identity primary key,
    source text not null,
    status text not null default 'running' check (status in ('running', 'complete', 'failed')),
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    row_count bigint,
    error text
);

create table audit.files (
    file_id bigint generated always as identity primary key,
    load_id bigint not null references audit.loads,
    source text not null,
    feed text not null,
    part text not null,
    is_change boolean not null,
    file text not null,
    size_bytes bigint not null,
    version text not null,
    modified_at timestamptz not null,
    sha256 text,
    declaration text not null,
    partition_id bigint references audit.files,
    columns text[],
    row_count bigint,
    rejected_count bigint,
    status text not null default 'running'
    check (status in ('running', 'complete', 'same', 'failed')),
    is_current boolean not null default false,
    is_complete boolean not null default false,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    replaced_by_load_id bigint references audit.loads,
    error text,
    check (not is_current or row_count >= rejected_count)
);

create table audit.rejected_rows (
    file_id bigint not null references audit.files,
    source text not null,
    feed text not null,
    file text not null,
    line_number bigint not null,
    content text not null,
    reason text not null
);

create index rejected_rows_file on audit.rejected_rows (file_id);

comment on schema audit is 'The ledger of loads, and what they rejected.';
comment on table audit.loads is 'One row per attempt to load new or changed files of a source.';
comment on column audit.loads.status is 'running, complete (its rows are visible) or failed.';
comment on column audit.loads.row_count is 'Rows that the load brought, over all its files.';
comment on column audit.loads.error is 'Why it failed.';
comment on table audit.files is 'One row per version of a file that a load brought.';
comment on column audit.files.load_id is 'The load that brought it; of micro-batches, the last.';
comment on column audit.files.part is 'The pattern in sources.yml that the file matched.';
comment on column audit.files.is_change is 'Whether it is a change file, or (part of) a whole table.';
comment on column audit.files.file is
'The object''s key below the source''s place in the bucket, without processed/<load>/.';
comment on column audit.files.version is
'ETag of an object in S3, modification time and inode of a local file.';
comment on column audit.files.sha256 is 'Digest of its bytes, in hexadecimal.';
comment on column audit.files.declaration is
'Digest of how sources.yml says to read it: read in another way, a file is loaded anew.';
comment on column audit.files.partition_id is
'The file version whose partition holds its bytes, mostly itself; NULL once it is replaced.';
comment on column audit.files.columns is 'Its columns in raw.';
comment on column audit.files.row_count is 'Records in the file: those loaded and those rejected.';
comment on column audit.files.rejected_count is 'Records that are in audit.rejected_rows instead.';
comment on column audit.files.status is
'running, complete, same (bytes that are loaded already, under another name) or failed.';
comment on column audit.files.is_current is 'Whether its rows are in raw_<source>.';
comment on column audit.files.is_complete is
'False while micro-batches have not taken all of its records.';
comment on column audit.files.ended_at is 'When it became visible, or failed.';
comment on column audit.files.replaced_by_load_id is
'The load that took its rows away; NULL while they are in raw.';
comment on table audit.rejected_rows is
'One row per record of a file that could not be loaded, kept while its file is current.';
comment on column audit.rejected_rows.line_number is 'Its first line in the file, from 1.';
comment on column audit.rejected_rows.content is
'The line as it stands in the file (\xff for a byte that is no text).';
