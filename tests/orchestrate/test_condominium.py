"""The condominiums, from files to reports: known totals, dirt, orphans, ids that stay."""

import shutil
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.warehouse import Warehouse

Run = Callable[[Path], subprocess.CompletedProcess[str]]
Query = Callable[[str], list[tuple[Any, ...]]]

FACT = "select count(*), sum(amount) from marts_condominium.fact_transaction"


@pytest.fixture
def run(run_module: Callable[..., Any], warehouse: Warehouse) -> Run:
    """Loads the condominiums from a bucket and builds what depends on them."""

    def run(bucket: Path) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = run_module(
            *("orchestrate", "run", "condominium"),
            BUCKET_URL=str(bucket),
            **warehouse.variables(),
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done

    return run


@pytest.fixture
def bucket(small_bucket: Path, tmp_path: Path) -> Path:
    """A bucket with the sample's condominiums, for the test to change."""
    shutil.copytree(small_bucket / "condominium", tmp_path / "bucket" / "condominium")
    return tmp_path / "bucket"


def records(bucket: Path, name: str) -> list[list[str]]:
    text = (bucket / "condominium" / name).read_text(encoding="utf-8")
    return [record.split(",") for record in text.split("\n")[1:]]


def change(bucket: Path, name: str, row: int, column: int, value: str) -> None:
    """Writes another value into a record, which is the `row`th from 1."""
    path = bucket / "condominium" / name
    lines = path.read_text(encoding="utf-8").split("\n")
    values = lines[row].split(",")
    values[column] = value
    lines[row] = ",".join(values)
    path.write_text("\n".join(lines), encoding="utf-8")


def test_the_reports_on_the_real_files_are_the_known_ones(
    real_data: Path, run: Run, query: Query
) -> None:
    done = run(real_data)
    assert query(
        """
        select condominium_id, transaction_count, total_amount
        from marts_condominium.agg_transactions_by_condominium order by condominium_id
        """
    ) == [
        (1, 11, Decimal("10655000.00")),
        (2, 10, Decimal("9865000.00")),
        (3, 1, Decimal("1080000.00")),
    ]
    for report in ("agg_daily_transactions_by_property_type", "agg_transactions_by_resident"):
        totals = f"select count(*), sum(total_amount) from marts_condominium.{report}"
        assert query(totals) == [(22, Decimal("21600000.00"))]
    for list_, count in (("of_another_condominium", 16), ("before_registration", 15)):
        assert query(f"select count(*) from quality.dq_transactions_{list_}") == [(count,)]
        assert f"warning: no_transaction_{list_}: Got {count} results" in done.stdout
    assert query(FACT) == [(22, Decimal("21600000.00"))]
    assert query(
        """
        select address from marts_condominium.dim_condominium
        where condominium_id > 0 order by condominium_id
        """
    ) == [
        ("Rua das Palmeiras, 123, Centro",),
        ("Avenida das Flores, 456, Jardim Primavera",),
        ("Travessa do Sol, 789, Vila Esperança",),
    ]
    # Each dimension has its unknown member besides.
    for dimension, rows in (("condominium", 3), ("property", 36), ("resident", 39)):
        assert query(f"select count(*) from marts_condominium.dim_{dimension}") == [(rows + 1,)]
    for answer in ("daily_totals_by_property_type", "odd_transactions", "totals_by_condominium"):
        assert f"condominium_{answer}: " in done.stdout


def test_ids_are_places_and_stay_when_files_are_loaded_again(
    bucket: Path, run: Run, query: Query
) -> None:
    def names() -> list[tuple[Any, ...]]:
        return query(
            """
            select resident_id, resident_name from marts_condominium.dim_resident
            where resident_id > 0 order by resident_id
            """
        )

    run(bucket)
    before = names()
    assert before == [
        (1 + place, record[0]) for place, record in enumerate(records(bucket, "moradores.csv"))
    ]
    # A newer file by another name, with blank lines, a line end at the end and a resident more.
    text = (bucket / "condominium" / "moradores.csv").read_text(encoding="utf-8")
    newer = bucket / "condominium" / "moradores_2025.csv"
    newer.write_text(text.replace("\n", "\n\n", 3) + "\nZélia Prado,1,2025-01-01\n")
    run(bucket)
    assert names() == [*before, (len(before) + 1, "Zélia Prado")]


def test_dirt_and_orphans_are_reported_and_no_transaction_is_lost(
    bucket: Path, run: Run, query: Query
) -> None:
    transactions = records(bucket, "transacoes.csv")
    change(bucket, "transacoes.csv", 1, 3, "1065OOO.00")
    change(bucket, "transacoes.csv", 2, 0, "999")
    change(bucket, "transacoes.csv", 3, 1, "")
    change(bucket, "transacoes.csv", 4, 2, "2024-02-30")
    sold_in_nowhere = int(transactions[4][0])
    change(bucket, "imoveis.csv", sold_in_nowhere, 1, "99")
    done = run(bucket)
    money = sum(Decimal(record[3]) for record in transactions[1:])
    assert query(FACT) == [(len(transactions), money)]
    assert query(
        """
        select record_key, column_name, value from quality.dq_condominium_rejected_values
        order by record_key
        """
    ) == [
        ("_source_row=1", "valor_transacao", "1065OOO.00"),
        ("_source_row=4", "data_transacao", "2024-02-30"),
    ]
    unknown = """
        select transaction_id from marts_condominium.fact_transaction
        where {}_key = 'unknown' and transaction_id <= 5 order by transaction_id
    """
    in_nowhere = [
        (1 + place,)
        for place, record in enumerate(transactions[:5])
        if place == 1 or int(record[0]) == sold_in_nowhere
    ]
    assert query(unknown.format("property")) == [(2,)]
    assert query(unknown.format("condominium")) == in_nowhere
    assert query(unknown.format("resident")) == [(3,)]
    for report in ("by_condominium", "by_resident"):
        assert query(
            f"select sum(transaction_count), sum(total_amount) "
            f"from marts_condominium.agg_transactions_{report}"
        ) == [(len(transactions), money)]
    for model in ("transaction_property_id", "property_condominium_id"):
        assert f"warning: relationships_stg_condominium__{model}" in done.stdout
