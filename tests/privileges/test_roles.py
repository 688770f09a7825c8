"""Each role can do its work, and nothing else; what a reader sees holds no personal data."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg2
import pytest

from common.warehouse import Warehouse
from local.postgres import Server, make_roles

Rows = list[tuple[Any, ...]]
RowsOf = Callable[[Warehouse, str], Rows]

LOADERS = re.compile(r"raw_.*|audit")
RELATIONS = """
    select relnamespace::regnamespace::text, relname, relkind, pg_get_userbyid(relowner)
    from pg_class
    where
        relkind in ('r', 'v', 'm', 'S', 'p', 'f')
        and relnamespace::regnamespace::text not like 'pg\\_%'
        and relnamespace <> 'information_schema'::regnamespace
"""


class Staffed(Protocol):
    """A warehouse that was loaded and built by users of the roles."""

    administrator: Warehouse
    users: dict[str, Warehouse]
    manifest: dict[str, Any]


@pytest.fixture(scope="session")
def relations(staffed: Staffed, rows_of: RowsOf) -> dict[tuple[str, str], tuple[str, str]]:
    """Kind and owner of each relation, by schema and name; raw, audit and dbt's own among them."""
    found = {
        (schema, name): rest for schema, name, *rest in rows_of(staffed.administrator, RELATIONS)
    }
    schemas = {schema for schema, _ in found}
    assert schemas >= {"raw_adventure_works", "raw_adventure_works_files", "audit"}
    assert schemas >= {"staging", "intermediate", "seeds", "marts_sales"}
    return {key: (kind, owner) for key, (kind, owner) in found.items()}


def refused(user: Warehouse, sql: str) -> bool:
    """Returns whether the statement fails for want of a privilege; it is never committed."""
    with closing(user.connect()) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(sql)
        except psycopg2.errors.InsufficientPrivilege:
            return True
        return False


def statements(schema: str, name: str, kind: str) -> Iterator[str]:
    """Yields what would change a relation, or its schema."""
    yield f"create table {schema}.of_an_intruder (id integer)"
    yield f"drop schema {schema} cascade"
    if kind == "S":
        yield f"select setval('{schema}.{name}', 1)"
        return
    yield f"drop {'view' if kind == 'v' else 'table'} {schema}.{name} cascade"
    yield f"alter table {schema}.{name} rename to stolen"
    if kind != "v":
        yield f"insert into {schema}.{name} default values"
        yield f"delete from {schema}.{name}"
        yield f"truncate {schema}.{name} cascade"
        yield f"lock {schema}.{name}"


def personal_columns(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """Returns the columns that are marked as personal data, by the relation they are in."""
    return {
        node["unique_id"]: {
            name
            for name, column in node["columns"].items()
            if column.get("config", {}).get("meta", {}).get("personal")
        }
        for kind in ("nodes", "sources")
        for node in manifest[kind].values()
        if node["resource_type"] in ("model", "seed", "snapshot", "source")
    }


def systems(manifest: dict[str, Any], key: str) -> set[str]:
    """Returns the source systems that a relation's rows come from; none for a seed."""
    if key in manifest["sources"]:
        return {manifest["sources"][key]["source_name"]}
    parents = manifest["nodes"][key].get("depends_on", {}).get("nodes", [])
    return set().union(*(systems(manifest, parent) for parent in parents))


def granted(manifest: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Returns what dbt grants to readers, by schema and name."""
    return {
        (node["schema"], node["alias"]): node["unique_id"]
        for node in manifest["nodes"].values()
        if "reader" in (node["config"].get("grants") or {}).get("select", [])
    }


@pytest.mark.warehouse
def test_the_role_owns_what_its_users_make(
    relations: dict[tuple[str, str], tuple[str, str]],
) -> None:
    wrong = {
        key: owner
        for key, (_, owner) in relations.items()
        if owner != ("loader" if LOADERS.fullmatch(key[0]) else "transformer")
    }
    assert wrong == {}


@pytest.mark.warehouse
def test_a_reader_reads_what_dbt_grants_and_nothing_else(
    staffed: Staffed, relations: dict[tuple[str, str], tuple[str, str]]
) -> None:
    reader = staffed.users["reader"]
    readable = {
        (schema, name)
        for schema, name in relations
        if not refused(reader, f"select * from {schema}.{name} limit 1")
    }
    assert readable == set(granted(staffed.manifest)) & set(relations)
    star = {"fact_sales", "dim_product", "dim_date", "dim_person_masked", "dim_customer_masked"}
    assert {name for _, name in readable} >= star


@pytest.mark.warehouse
@pytest.mark.parametrize(
    ("relation", "hidden"),
    [
        ("quality.dq_adventure_works_rejected_values", {"record_key", "value"}),
        ("marts_operations.fact_run", {"message"}),
        ("marts_operations.fact_load", {"error"}),
    ],
)
def test_of_what_may_quote_a_value_a_reader_reads_the_other_columns(
    staffed: Staffed, rows_of: RowsOf, relation: str, hidden: set[str]
) -> None:
    columns = {
        name
        for (name,) in rows_of(
            staffed.administrator,
            "select attname from pg_attribute "
            f"where attrelid = '{relation}'::regclass and attnum > 0",
        )
    }
    reader = staffed.users["reader"]
    assert {name for name in columns if refused(reader, f"select {name} from {relation}")} == hidden
    assert not refused(reader, f"select count(*) from {relation}")


@pytest.mark.warehouse
def test_nothing_that_a_reader_reads_is_personal(staffed: Staffed) -> None:
    personal = personal_columns(staffed.manifest)
    assert {"first_name", "full_name", "birth_date"} <= personal["model.elt_warehouse.dim_person"]
    shown = {name: personal[name] for name in granted(staffed.manifest).values()}
    assert {name: columns for name, columns in shown.items() if columns} == {}


@pytest.mark.warehouse
def test_a_column_that_is_personal_in_one_relation_is_in_all(staffed: Staffed) -> None:
    manifest = staffed.manifest
    personal = personal_columns(manifest)
    of_system: dict[str, set[str]] = {}
    for key, marked in personal.items():
        for system in systems(manifest, key):
            of_system.setdefault(system, set()).update(marked)
    assert {"first_name", "occupation"} <= of_system["adventure_works"]
    # An occupation is personal beside a name; in the census, which has none, it is not.
    unmarked = [
        f"{key}.{column}"
        for key, marked in personal.items()
        for column in {**manifest["nodes"], **manifest["sources"]}[key]["columns"]
        if any(column in of_system[system] - marked for system in systems(manifest, key))
    ]
    assert unmarked == []


@pytest.mark.warehouse
def test_a_reader_joins_the_masked_dimensions_to_the_fact(
    staffed: Staffed, rows_of: RowsOf
) -> None:
    join = """
        select count(*), count(distinct customers.masked_name), count(persons.initials)
        from marts_sales.fact_sales as sales
        inner join marts_sales.dim_customer_masked as customers using (customer_key)
        inner join marts_sales.dim_person_masked as persons
            on sales.person_key = persons.person_key
    """
    ((rows, names, initials),) = rows_of(staffed.users["reader"], join)
    assert (rows,) == rows_of(staffed.administrator, "select count(*) from marts_sales.fact_sales")[
        0
    ]
    assert names > 1
    assert initials == rows


@pytest.mark.warehouse
def test_masked_persons_keep_their_names_to_themselves(staffed: Staffed, rows_of: RowsOf) -> None:
    told = rows_of(
        staffed.administrator,
        """
        select persons.full_name
        from marts_sales.dim_person as persons
        inner join marts_sales.dim_person_masked as masked using (person_key)
        inner join marts_sales.dim_customer_masked as customers using (person_key)
        where
            person_key <> 'unknown'
            and (
                masked::text ilike '%' || persons.last_name || '%'
                or customers::text ilike '%' || persons.last_name || '%'
                or masked::text like '%' || persons.birth_date || '%'
            )
            and length(persons.last_name) > 2
        """,
    )
    assert told == []


@pytest.mark.warehouse
def test_statistics_tell_a_reader_nothing_either(staffed: Staffed, rows_of: RowsOf) -> None:
    statistics = "select tablename from pg_stats where attname in ('last_name', 'customer_name')"
    assert rows_of(staffed.administrator, statistics) != []
    assert rows_of(staffed.users["reader"], statistics) == []


@pytest.mark.warehouse
@pytest.mark.parametrize(
    ("role", "own"),
    [
        ("reader", "nothing"),
        ("loader", r"(raw_.*|audit)\..*"),
        ("transformer", r"(?!raw_|audit\.).*|audit\.(runs|run_nodes|alerts)"),
    ],
)
def test_a_role_changes_only_its_own(
    staffed: Staffed,
    relations: dict[tuple[str, str], tuple[str, str]],
    role: str,
    own: str,
) -> None:
    user = staffed.users[role]
    done = [
        sql
        for (schema, name), (kind, _) in relations.items()
        if not re.fullmatch(own, f"{schema}.{name}")
        for sql in statements(schema, name, kind)
        if not refused(user, sql)
    ]
    assert done == []


@pytest.mark.warehouse
def test_a_loader_reads_nothing_of_what_dbt_builds(
    staffed: Staffed, relations: dict[tuple[str, str], tuple[str, str]]
) -> None:
    loader = staffed.users["loader"]
    read = [
        name
        for (schema, name) in relations
        if not LOADERS.fullmatch(schema)
        and not refused(loader, f"select * from {schema}.{name} limit 1")
    ]
    assert read == []


@pytest.mark.warehouse
@pytest.mark.parametrize(
    "sql",
    [
        "create schema of_a_reader",
        "create table public.of_a_reader (id integer)",
        "set role loader",
        "set role transformer",
        "alter role current_user createrole",
        "create role another",
        "copy (select 1) to program 'true'",
        "select pg_read_file('postgresql.conf')",
    ],
)
def test_a_reader_rises_to_nothing_more(staffed: Staffed, sql: str) -> None:
    assert refused(staffed.users["reader"], sql)


def test_a_server_without_the_roles_works_and_can_get_them_later(
    tmp_path: Path, dbt: Callable[..., Path], rows_of: RowsOf
) -> None:
    server = Server(tmp_path / "server")
    try:
        env = server.start()
        warehouse = Warehouse(
            host=env["POSTGRES_HOST"],
            port=int(env["POSTGRES_PORT"]),
            user=env["POSTGRES_USER"],
            database=env["POSTGRES_DB"],
            password=env["POSTGRES_PASSWORD"],
        )
        with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
            for role in ("loader", "transformer", "reader"):
                cursor.execute(f"drop owned by {role}")
                cursor.execute(f"drop role {role}")
        dbt(warehouse, "run", "--select", "dim_date")
        make_roles(env)
        dbt(warehouse, "run", "--select", "dim_date")
        readable = """
            select
                has_schema_privilege('reader', 'marts_sales', 'usage')
                and has_table_privilege('reader', 'marts_sales.dim_date', 'select')
        """
        assert rows_of(warehouse, readable) == [(True,)]
    finally:
        server.stop()
        server.delete()
