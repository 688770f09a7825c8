"""What tables.yml may say, and what is told to who writes something else."""

from pathlib import Path

import pytest

from common.errors import ConfigurationError
from lake.declaration import read_tables, select


def test_what_is_declared_is_read() -> None:
    tables = read_tables()
    assert len({str(table) for table in tables}) == len(tables)
    (sales,) = select(tables, ["silver/sales"])
    assert (sales.schema, sales.relation, sales.columns) == ("marts_sales", "fact_sales", ())
    assert [name for name, _ in sales.partition_by] == ["order_month"]
    assert [str(table) for table in select(tables, ["breweries"])] == [
        "bronze/breweries",
        "silver/breweries",
    ]
    assert select(tables, []) == tables


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tables: []", "expected a mapping"),
        ("tables: {platinum: {}}", "platinum: unknown"),
        ("tables: {gold: {a: marts}}", "gold: a: relation: expected schema.table"),
        ("tables: {gold: {a: {relation: a.b, partition: x}}}", "partition: unknown"),
        ("tables: {gold: {a/b: a.b}}", "expected schema.table"),
        ("tables: {gold: {a: {relation: a.b, columns: c}}}", "columns: expected a list of columns"),
        ("tables: {gold: {a: {relation: a.b, partition_by: [c]}}}", "expected a mapping"),
        ("tables: {gold: {a: {relation: a.b, partition_by: {x/y: c}}}}", "names with expressions"),
        ("tables: {gold: {a: {relation: a.b, order_by: c}}}", "expected a list of columns"),
        ("tables: {gold: {a: {relation: a.b, exception: }}}", "exception: expected a reason"),
        ("tables: {", "cannot be read"),
    ],
)
def test_what_is_declared_wrongly_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "tables.yml").write_text(text)
    with pytest.raises(ConfigurationError, match=message) as raised:
        read_tables(tmp_path / "tables.yml")
    assert "tables.yml" in str(raised.value)
