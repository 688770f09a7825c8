"""Answers as files: exact, whole, and never in place of somebody else's."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigurationError
from common.warehouse import Warehouse
from orchestrate.answers import Result
from orchestrate.charts import MOST_BARS, draw
from orchestrate.export import Folder, export, to_csv, to_page
from orchestrate.project import Answer

HOSTILE = 'a "b", <script>alert(1)</script> & c\nd'
SQL = f"""
select *
from (
    values
    (1, '{HOSTILE}', 12345678901234567.8900, date '2024-02-29', true),
    (2, '', -0.0001, null, false),
    (3, null, null, date '2024-03-01', null)
) as items (item_id, name, amount, day, is_new)
order by item_id
"""
ITEMS = Answer("items", "Which <items> are there?", SQL, ("shop",))
TOTALS = Answer(
    "totals",
    "What was paid?",
    "select 'A' as shop, 1234567.50::numeric as total union all select 'B', 0.25",
    ("shop",),
)
GONE = Answer("gone", "What is gone?", "select * from nowhere", ())


def write(warehouse: Warehouse, form: str, out: Path, *answers: Answer) -> list[str]:
    said: list[str] = []
    assert export(warehouse, answers or (ITEMS, TOTALS), form, out, said.append)
    return said


def test_csv_is_what_postgresql_would_write(
    warehouse: Warehouse, tmp_path: Path, query: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    said = write(warehouse, "csv", tmp_path / "out")
    assert said[0] == f"            3 rows  {tmp_path / 'out' / 'items.csv'}"
    text = (tmp_path / "out" / "items.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows == [
        ["item_id", "name", "amount", "day", "is_new"],
        ["1", HOSTILE, "12345678901234567.8900", "2024-02-29", "True"],
        ["2", "", "-0.0001", "", "False"],
        ["3", "", "", "2024-03-01", ""],
    ]
    # NULL is nothing, an empty text is two quotes.
    assert text.splitlines()[-2:] == ['2,"",-0.0001,,False', "3,,,2024-03-01,"]
    assert to_csv(Result(ITEMS, ["a"], [], 0)) == "a\n"


def test_where_a_person_sits_progress_is_shown_and_in_a_log_it_is_not(
    warehouse: Warehouse,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    write(warehouse, "csv", tmp_path)
    assert capfd.readouterr() == ("", "")
    ours, terminal = os.openpty()
    with open(terminal, "w", encoding="utf-8") as stderr:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.setenv("TERM", "xterm")
        write(warehouse, "csv", tmp_path)
        shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert re.findall(r"✓ (\w+)", shown) == ["items", "totals"]


def test_json_has_all_digits(warehouse: Warehouse, tmp_path: Path) -> None:
    write(warehouse, "json", tmp_path)
    text = (tmp_path / "items.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_float=Decimal)
    assert (content["name"], content["description"]) == ("items", "Which <items> are there?")
    assert content["sql"] == SQL
    assert content["rows"] == [
        {
            "item_id": 1,
            "name": HOSTILE,
            "amount": Decimal("12345678901234567.8900"),
            "day": "2024-02-29",
            "is_new": True,
        },
        {"item_id": 2, "name": "", "amount": Decimal("-0.0001"), "day": None, "is_new": False},
        {"item_id": 3, "name": None, "amount": None, "day": "2024-03-01", "is_new": None},
    ]
    assert "12345678901234567.8900" in text


def test_the_page_is_one_file_that_asks_for_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    said = write(warehouse, "html", tmp_path, ITEMS, TOTALS, GONE)
    assert said == [f"         2 answers  {tmp_path / 'answers.html'}"]
    page = (tmp_path / "answers.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".answers.json", "answers.html"]
    assert re.findall(r"(?:https?:|//|url\(|src=|@import|<script|<link)", page) == []
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "<h2>Which &lt;items&gt; are there?</h2>" in page
    # The ids as they are, amounts with thousands apart and every digit, NULL as nothing.
    table = page[page.index('id="items"') :].partition("</table>")[0]
    cells = [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", table, re.DOTALL)]
    assert cells == [
        *("1", HOSTILE, "12,345,678,901,234,567.8900", "2024-02-29", "True"),
        *("2", "", "-0.0001", "", "False"),
        *("3", "", "", "2024-03-01", ""),
    ]
    assert unescape(re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)[0]) == SQL.strip()
    # A chart where it makes sense: not of amounts below 0.
    assert page.count("<svg") == 1
    assert ">1,234,567.50</text>" in page


def test_a_long_answer_is_cut_in_the_page_and_says_so() -> None:
    rows = [(f"n{number}",) for number in range(300)]
    loaded = datetime(2026, 5, 1, 7, 30, tzinfo=UTC)
    page = to_page([Result(ITEMS, ["name"], list(rows), 300)], {"shop": loaded})
    assert page.count("<tr>") == 201
    assert "300 rows, the first 200 shown; as of the last load of shop 2026-05-01 07:30 UTC" in page


def bars(svg: str) -> list[float]:
    """Returns the widths of the bars, of SVG that XML readers take."""
    found = ET.fromstring(svg).iter("rect")  # noqa: S314
    return [float(rect.attrib["width"]) for rect in found]


def test_bars_are_as_long_as_their_numbers() -> None:
    widths = bars(draw(["name", "total"], [("a<b", Decimal("4.00")), ("c", 1), ("d", 0)]))
    assert widths[0] == pytest.approx(widths[1] * 4, rel=0.01)
    assert (len(widths), widths[2]) == (3, 1)
    shares = draw(["age", "share_a", "share_b", "count"], [("x", 1, 2, 9), ("y", 2, 1, 9)])
    assert len(bars(shares)) == 4


def test_days_are_a_line() -> None:
    days = [(date(2024, 1, day), Decimal(day)) for day in (1, 2, 9)]
    svg = draw(["day", "total"], days)
    (line,) = ET.fromstring(svg).iter("polyline")  # noqa: S314
    places = [float(point.partition(",")[0]) for point in line.attrib["points"].split()]
    # By the calendar: the second day is an eighth of the way.
    assert places[1] - places[0] == pytest.approx((places[2] - places[0]) / 8, abs=0.1)
    assert "2024-01-09: 9" in svg


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        (["name", "total"], []),
        (["name", "total"], [("a", 1)]),
        (["name", "total"], [("a", 1), ("a", 2)]),
        (["name", "total"], [("a", 1), ("b", -1)]),
        (["name", "total"], [("a", 1), ("b", None)]),
        (["name", "total"], [("a", 0), ("b", 0)]),
        (["name", "other"], [("a", "x"), ("b", "y")]),
        (["order_id", "customer_id"], [(1, 2), (3, 4)]),
        (["name", "total"], [(str(number), number) for number in range(MOST_BARS + 1)]),
    ],
)
def test_what_has_no_shape_has_no_chart(columns: list[str], rows: list[tuple[object, ...]]) -> None:
    assert draw(columns, rows) == ""


def test_files_of_others_stay(warehouse: Warehouse, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "totals.csv").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"totals\.csv there already.*another --out"):
        write(warehouse, "csv", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "totals.csv"]
    (tmp_path / "totals.csv").unlink()
    write(warehouse, "csv", tmp_path)
    # Its own it writes again, unless somebody changed them.
    write(warehouse, "csv", tmp_path)
    (tmp_path / "items.csv").write_text("corrected by hand")
    with pytest.raises(ConfigurationError, match=r"items\.csv there already"):
        write(warehouse, "csv", tmp_path)
    assert (tmp_path / "items.csv").read_text() == "corrected by hand"
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="name another --out"):
        Folder(tmp_path / "file", ["a.csv"])


def test_the_command_wants_both(
    run_module: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = run_module("orchestrate", "answers", "--format", "csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--format html --out answers" in done.stderr
