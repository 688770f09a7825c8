"""Raw of both engines, row for row: the same files, loaded into PostgreSQL and into Iceberg."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.lakehouse import Lakehouse
from common.warehouse import Warehouse
from extract.declaration import Source, read_sources
from extract.load import load
from tests.faults.test_malformed import SETTINGS, TOGETHER, File, declare, files
from tests.lakehouse import lakehouse, raw_tables

Rows = list[tuple[Any, ...]]
RowsOf = Callable[[Warehouse, str], Rows]
NewWarehouse = Callable[..., Warehouse]
LEDGER = """
    select
        file_id, load_id, source, feed, part, is_change, file, size_bytes, sha256, partition_id,
        columns, row_count, rejected_count, status, is_current, is_complete, replaced_by_load_id
    from audit.files order by file_id
"""
REJECTED = "select * from audit.rejected_rows order by file_id, line_number"


class Both:
    """A database of PostgreSQL and a lakehouse that the same files are loaded into."""

    def __init__(self, postgres: Warehouse, lake: Lakehouse, rows_of: RowsOf) -> None:
        self.postgres = postgres
        self.lake = lake
        self._rows_of = rows_of

    def load(self, source: Source) -> None:
        for warehouse in (self.postgres, self.lake):
            load(source, warehouse)

    def assert_equal(self, source: Source) -> int:
        """Compares rows, types, ledger and rejects; returns how many rows there are."""
        for sql in (LEDGER, REJECTED):
            assert self._rows_of(self.lake, sql) == self._rows_of(self.postgres, sql)
        names = [(source.raw_schema, feed.name) for feed in source.feeds]
        count = 0
        for (schema, feed), table in raw_tables(self.lake, names).items():
            columns = self._rows_of(
                self.postgres,
                "select column_name, data_type from information_schema.columns where "
                f"(table_schema, table_name) = ('{schema}', '{feed}') order by ordinal_position",
            )
            assert [(field.name, TYPES[str(field.type)]) for field in table.schema] == columns
            listed = ", ".join(f'"{name}"' for name in table.column_names if name != "_loaded_at")
            rows = self._rows_of(self.postgres, f"select {listed} from {schema}.{feed}")
            found = zip(*table.drop(["_loaded_at"]).to_pydict().values(), strict=True)
            assert sorted(found, key=repr) == sorted(rows, key=repr), feed
            count += len(rows)
        return count


TYPES = {
    "large_string": "text",
    "string": "text",
    "int64": "bigint",
    "bool": "boolean",
    "timestamp[us, tz=UTC]": "timestamp with time zone",
}


@pytest.fixture
def both(new_warehouse: NewWarehouse, warehouse: Lakehouse, rows_of: RowsOf) -> Both:
    return Both(new_warehouse(), warehouse, rows_of)


def test_the_sample(both: Both, small_bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET_URL", str(small_bucket))
    sources = [source for source in read_sources().values() if not source.api]
    for source in sources:
        both.load(source)
    assert [both.assert_equal(source) > 50 for source in sources] == [True] * len(sources)


def test_changes_new_columns_and_corrected_files(
    both: Both, small_bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "bucket"
    shutil.copytree(small_bucket, bucket)
    monkeypatch.setenv("BUCKET_URL", str(bucket))
    source = read_sources()["adventure_works"]
    both.load(source)
    feed = source.feeds_by_name["sales_order_header"]
    header, *lines = (bucket / source.name / feed.files[0]).read_bytes().split(b"\r\n")
    change = bucket / source.name / feed.changes.replace("*", "today")
    change.parent.mkdir(parents=True, exist_ok=True)
    change.write_bytes(b"\r\n".join([header, *lines[:3], b""]))
    both.load(source)
    before = both.assert_equal(source)
    # Corrected, with a column more.
    change.write_bytes(b"\r\n".join([header + b";Campaign", lines[0] + b";spring", b""]))
    both.load(source)
    assert both.assert_equal(source) == before - 2
    # A new whole table takes the changes over.
    (bucket / source.name / feed.files[0]).write_bytes(b"\r\n".join([header, *lines[:-9], b""]))
    both.load(source)
    assert both.assert_equal(source) == before - 3 - 8


# After the header id;name;note: what Arrow's csv reader takes for something else.
MISREAD = (
    b"\xef\xbb\xbf1;begins with a mark;x\n2;b;c\n",
    b"1;carriage\rreturn;x\n2;b;c\r\r\n",
    b"1;b;an end more\r\r\n",
    b'1;"carriage\rreturn";x\n',
    b'1;"line\nend";x\n2;b;c\n',
    b"1;blank line;x\n\n2;b;c\n\n",
    b"1;mixed ends;x\r\n2;b;c\n3;;\r\n",
    b'1;"";NULL\n2;NA;null\nnan;#N/A;"NULL"\n',
    b"1;true;2024-01-01\n02;1.50;1e3\n",
    b"1;\\N;\\.\n\\.\n",
    b" 1 ; spaces ;\t\n",
    b'1;\'single\';a\\;b\n2;"a""b";"c;d"\n',
    b"1;no end;x",
    b"",
)


def test_what_arrow_would_misread(
    both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIRT_BUCKET_URL", str(tmp_path))
    for number, content in enumerate(MISREAD):
        (tmp_path / f"{number}.csv").write_bytes(b"id;name;note\n" + content)
    source = declare("dirt", len(MISREAD))
    both.load(source)
    assert both.assert_equal(source) == 22


_BOTH: list[Both] = []


@SETTINGS
@given(batch=st.lists(files(), min_size=TOGETHER, max_size=TOGETHER))
def test_dirty_files(
    batch: list[File],
    new_warehouse: NewWarehouse,
    rows_of: RowsOf,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if not _BOTH:
        lake = lakehouse(new_warehouse(), tmp_path_factory.mktemp("lakehouse"))
        _BOTH.append(Both(new_warehouse(), lake, rows_of))
    (both,) = _BOTH
    bucket = tmp_path_factory.mktemp("dirt")
    for number, file in enumerate(batch):
        (bucket / f"{number}.csv").write_bytes(file.content)
    source = declare("dirt", len(batch))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIRT_BUCKET_URL", str(bucket))
        both.load(source)
    both.assert_equal(source)
