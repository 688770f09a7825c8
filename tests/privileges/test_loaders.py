"""Whoever loads, raw and the ledger belong to the role `loader`, and dbt can read them."""

import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from common.errors import LoadError
from common.warehouse import Warehouse
from extract.declaration import Source, read_sources
from extract.load import load

RowsOf = Callable[[Warehouse, str], list[tuple[Any, ...]]]
RunModule = Callable[..., subprocess.CompletedProcess[str]]

DECLARATION = """
sources:
  shop:
    description: A shop
    feeds:
      items:
        file: items.csv
        changes: changes/*.csv
        key: [id]
        newest_by: changed
        columns: [id, changed]
        max_rejected: 50%
"""
OWNERS = """
    select distinct pg_get_userbyid(relowner) from pg_class
    where relnamespace::regnamespace::text ~ '^(raw_|audit)'
    union
    select pg_get_userbyid(nspowner) from pg_namespace where nspname ~ '^(raw_|audit)'
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    path = tmp_path / "sources.yml"
    path.write_text(DECLARATION)
    monkeypatch.setenv("SHOP_BUCKET_URL", str(tmp_path / "shop"))
    return read_sources(path)["shop"]


@pytest.fixture
def people(
    new_warehouse: Callable[[], Warehouse], with_users: Callable[[Warehouse], dict[str, Warehouse]]
) -> dict[str, Warehouse]:
    """Two administrators, and a user of each role."""
    warehouse = new_warehouse()
    second = replace(warehouse, user=f"{warehouse.database}_second")
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"create role {second.user} superuser login password %s", (second.password,))
    return {"administrator": warehouse, "second administrator": second} | with_users(warehouse)


def write(folder: Path, version: int) -> None:
    """A new version of the whole table, with one column more, and of its changes; one is torn."""
    extra = "".join(f",extra_{number}" for number in range(version))
    values = ",x" * version
    (folder / "shop" / "changes").mkdir(parents=True, exist_ok=True)
    for file, key in (("items.csv", 1), ("changes/today.csv", 2)):
        (folder / "shop" / file).write_text(
            f"id,changed{extra}\n{key},2024-01-{version:02}{values}\ntorn\n"
        )


@pytest.mark.parametrize(
    "order", list(permutations(("administrator", "loader", "second administrator"))), ids=" > ".join
)
def test_whoever_loads_the_owner_is_right_and_dbt_reads_on(
    source: Source,
    people: dict[str, Warehouse],
    rows_of: RowsOf,
    tmp_path: Path,
    order: tuple[str, ...],
) -> None:
    shown = "select id, max(changed) from raw_shop.items group by id order by id"
    for version, name in enumerate((*order, *order), start=1):
        write(tmp_path, version)
        assert load(source, people[name]).rows == 2, name
        assert load(source, people[name]).rows == 0
        assert rows_of(people["administrator"], OWNERS) == [("loader",)], name
        if version == 1:
            with closing(people["transformer"].connect()) as connection, connection:
                connection.cursor().execute(f"create schema dbt; create view dbt.items as {shown}")
        expected = [("1", f"2024-01-{version:02}"), ("2", f"2024-01-{version:02}")]
        # The table itself, each of its partitions, and a view that runs as its owner.
        assert rows_of(people["transformer"], shown) == expected
        for (partition,) in rows_of(
            people["administrator"], "select inhrelid::regclass::text from pg_inherits"
        ):
            rows_of(people["transformer"], f"select * from {partition}")
        for reader in ("transformer", "administrator", "second administrator"):
            assert rows_of(people[reader], "select * from dbt.items") == expected
        rejected = "select count(*) from audit.rejected_rows"
        assert rows_of(people["transformer"], rejected) == [(2,)]


def test_a_load_that_failed_as_one_is_cleaned_up_as_another(
    source: Source,
    people: dict[str, Warehouse],
    rows_of: RowsOf,
    tmp_path: Path,
) -> None:
    for version, name in enumerate(("administrator", "loader", "administrator"), start=1):
        write(tmp_path, version)
        path = tmp_path / "shop" / "items.csv"
        good = path.read_text()
        path.write_text(good + "torn\n" * 9)
        with pytest.raises(LoadError, match=r"items\.csv: 10 of 11 records are broken"):
            load(source, people[name])
        path.write_text(good)
        load(source, people["loader"])
        assert rows_of(people["administrator"], OWNERS) == [("loader",)]


def test_who_is_no_member_of_the_owner_is_told_so(
    source: Source, people: dict[str, Warehouse], tmp_path: Path
) -> None:
    write(tmp_path, 1)
    load(source, people["administrator"])
    for role in ("transformer", "reader"):
        user = people[role].user
        with pytest.raises(LoadError, match=f"{user} may not load: .*grant loader to {user}"):
            load(source, people[role])


def test_a_connection_of_dlts_keeps_the_role(
    source: Source, people: dict[str, Warehouse], tmp_path: Path
) -> None:
    """It resets its connections, when they are opened and after errors."""
    write(tmp_path, 1)
    load(source, people["administrator"])
    from common.warehouse import as_owner
    from extract.pipeline import pipeline

    with pipeline(source, as_owner(people["administrator"])).sql_client(source.name) as client:
        for _ in range(2):
            assert client.execute_sql("select current_user::text, session_user::text") == [
                ("loader", people["administrator"].user)
            ]
            with pytest.raises(Exception, match="division by zero"):
                client.execute_sql("select 1 / 0")
            client.native_connection.reset()


def test_a_reader_who_asks_for_the_status_gets_one_line(
    source: Source, people: dict[str, Warehouse], run_module: RunModule, tmp_path: Path
) -> None:
    write(tmp_path, 1)
    load(source, people["administrator"])
    done = run_module("extract", "status", **people["reader"].variables())
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: what is loaded stands in schema audit, which members of")
    for name in ("transformer", "loader", "administrator"):
        done = run_module("extract", "status", **people[name].variables())
        assert (done.returncode, done.stderr) == (0, "")
        assert "changes/today.csv" in done.stdout


def test_without_the_roles_raw_belongs_to_whoever_loads_first(
    source: Source, warehouse: Warehouse, rows_of: RowsOf, tmp_path: Path
) -> None:
    """As on a server of one's own, where nobody made them."""
    with closing(warehouse.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"revoke create on database {warehouse.database} from public")
    for version in (1, 2):
        write(tmp_path, version)
        load(source, warehouse)
    assert rows_of(warehouse, OWNERS) == [(warehouse.user,)]
