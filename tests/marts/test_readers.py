"""Whatever dbt builds, every relation of the marts answers, with old rows or new ones.

Readers look at what they may see, the administrator at the rest: the condominiums have no readers
yet, but a masked dimension that is meant for them.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from common.warehouse import Warehouse
from local.postgres import make_roles

from .conftest import Dbt, Shop
from .raw import File, Raw

Connection = psycopg2.extensions.connection
RowsOf = Callable[[Warehouse, str], list[tuple[Any, ...]]]

MARTS = """
    select
        relnamespace::regnamespace::text || '.' || relname,
        has_table_privilege('reader', oid, 'select')
    from pg_class
    where relkind in ('r', 'v', 'm') and relnamespace::regnamespace::text like 'marts\\_%'
    order by 1
"""
# The name, and whether readers may see it.
Relations = Sequence[tuple[str, bool]]
SECONDS_BETWEEN_LOOKS = 0.02


@pytest.fixture(scope="module")
def marts(run_dbt: Dbt, rows_of: RowsOf) -> Relations:
    """Everything built from a little data of all sources; returns the marts that have rows."""
    warehouse, dbt = run_dbt
    make_roles(warehouse.variables())
    Raw(warehouse, "census").load(
        File("adult", "Adult.data", [{"age": "34", "sex": "Male"}], is_part=True)
    )
    Raw(warehouse, "open_brewery", keep_ledger=True).load(
        File("breweries", "breweries", [{"id": "b", "name": "Brewery", "country": "Ireland"}])
    )
    Raw(warehouse, "condominium", keep_ledger=True).load(
        File("condominios", "condominios.csv", [{"nome": "Sol"}]),
        File("imoveis", "imoveis.csv", [{"tipo": "casa", "condominio_id": "1"}]),
        File("moradores", "moradores.csv", [{"nome": "Ana", "condominio_id": "1"}]),
        File("transacoes", "transacoes.csv", [{"imovel_id": "1", "morador_id": "1"}]),
    )
    Shop(warehouse, 1, keep_ledger=True)
    dbt("build", "--exclude-resource-type", "unit_test", "test")
    found = rows_of(warehouse, MARTS)
    assert {
        ("marts_census.agg_income_by_sex", True),
        ("marts_condominium.dim_resident_masked", False),
        ("marts_sales.dim_customer", False),
        ("marts_sales.dim_customer_masked", True),
        ("marts_sales.dim_person_masked", True),
        ("marts_sales.fact_sales", True),
    } <= set(found)
    counts = {n: rows_of(warehouse, f"select count(*) from {n}") for n, _ in found}
    return [(name, granted) for name, granted in found if counts[name] != [(0,)]]


@contextmanager
def looking(administrator: Warehouse, relations: Relations) -> Iterator[None]:
    """Reads all relations every 20 ms; fails if one ever does not answer, or has no rows."""
    name, password = f"reader_{secrets.token_hex(4)}", secrets.token_urlsafe()
    with closing(administrator.connect()) as connection, connection:
        connection.cursor().execute(
            f"create role {name} login password %s in role reader", (password,)
        )
    reader = replace(administrator, user=name, password=password)
    wrong: list[str] = []
    rounds = 0
    stop = threading.Event()

    def look(as_administrator: Connection, as_reader: Connection) -> None:
        nonlocal rounds
        with as_administrator.cursor() as of_all, as_reader.cursor() as of_granted:
            while not stop.wait(SECONDS_BETWEEN_LOOKS):
                for relation, is_granted in relations:
                    cursor = of_granted if is_granted else of_all
                    try:
                        cursor.execute(f"select count(*) from {relation}")
                        if cursor.fetchone() == (0,):
                            wrong.append(f"{relation} is empty")
                    except psycopg2.Error as error:
                        wrong.append(str(error).strip())
                rounds += 1

    # Connected here: the thread must not read the environment while dbt's variables are set.
    with closing(administrator.connect()) as first, closing(reader.connect()) as second:
        first.autocommit = second.autocommit = True
        thread = threading.Thread(target=look, args=(first, second))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
    assert sorted(set(wrong)) == []
    assert rounds > 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        pytest.param(("run", "--full-refresh"), marks=pytest.mark.nightly),
        ("run", "--select", "dim_resident"),
        ("run", "--select", "dim_person", "--full-refresh"),
        ("run", "--select", "dim_person_masked"),
        ("run", "--select", "dim_customer", "--full-refresh"),
        ("run", "--select", "fact_census_response", "--full-refresh"),
        ("run", "--select", "staging"),
    ],
    ids=" ".join,
)
def test_marts_always_answer(
    run_dbt: Dbt, marts: Relations, rows_of: RowsOf, arguments: Sequence[str]
) -> None:
    warehouse, dbt = run_dbt
    with looking(warehouse, marts):
        dbt(*arguments)
    assert set(marts) <= set(rows_of(warehouse, MARTS))


@pytest.mark.parametrize(
    "relation", ["marts_sales.dim_person", "marts_sales.dim_person_masked", "marts_sales.dim_date"]
)
def test_marts_answer_while_columns_change(
    run_dbt: Dbt, marts: Relations, rows_of: RowsOf, relation: str
) -> None:
    warehouse, dbt = run_dbt
    kind, *_ = rows_of(
        warehouse, f"select relkind from pg_class where oid = '{relation}'::regclass"
    )
    assert kind == ("r",), "what readers see is a table: a view goes with the table that it is on"
    with closing(warehouse.connect()) as connection, connection:
        # As if the code had had one more column until now.
        connection.cursor().execute(f"alter table {relation} add column of_before text")
    with looking(warehouse, marts):
        dbt("run", "--full-refresh", "--select", relation.partition(".")[2])
    (columns,) = rows_of(
        warehouse,
        f"select count(*) from pg_attribute where attrelid = '{relation}'::regclass "
        "and attname = 'of_before' and not attisdropped",
    )
    assert columns == (0,)
    assert set(marts) <= set(rows_of(warehouse, MARTS))
