"""From files that nobody has declared to a green run: one command, nothing written by hand."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from common.warehouse import Warehouse
from extract.declaration import read_sources
from tests.quality.test_yaml_keys import unknown_keys

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
# Each is awkward in a way of its own; together they are one source.
FILES = {
    # Semicolons, decimal commas, a byte order mark, CRLF, a null marker, names that SQL knows.
    "items.csv": b"\xef\xbb\xbf" + b"Id;Order;Price;User;Date;Is active;Code\r\n"
    b'1;"a ""b""; c";1,25;NULL;2024-02-29;true;007\r\n'
    b"2;second;-0,5;x;2024-03-01;false;010\r\n"
    b"3;third;NULL;NULL;NULL;NULL;NULL\r\n",
    # latin-1, pipes, no header, quoted line ends.
    "cities.txt": 'São Paulo|12|"two\nlines"\nZürich|7|\nZürich|7|\n'.encode("latin-1"),
    # Parts; a value in one of them that is no number.
    "readings-2025-01.csv": b"meter_id,day,kwh\n"
    + b"".join(b"m%d,2025-01-%02d,%d.5\n" % (n % 9, n // 9 + 1, n) for n in range(200)),
    "readings-2025-02.csv": b"meter_id,day,kwh\nm1,2025-02-01,l2\nm2,2025-02-01,\n",
    # Changes: a key that comes again, and a time that tells which row is newer.
    "orders-1.csv": b"order_no,order_code,total,updated_at\n1,x1,5,2024-01-01\n2,x2,6,2024-01-01\n",
    "orders-2.csv": b"order_no,order_code,total,updated_at\n2,x2,7,2024-01-02 10:00:00\n"
    b"3,x3,8,2024-01-02\n",
    "orders-3.csv": b"order_no,order_code,total,updated_at\n4,x4,9,2024-01-02 10:00:00\n",
    # As R writes it, nothing but a header (with what YAML takes for false), and what is no table.
    "cars.csv": b'"","mpg"\n"Mazda RX4",21\n"Datsun",22.8\n',
    "nothing.tsv": b"id\tname\tno\n",
    "photo.png": b"\x89PNG\r\n\x1a\n\x00\x00",
}


@pytest.fixture
def run(project: Path, tmp_path: Path, warehouse: Warehouse, environment: dict[str, str]) -> Run:
    """Runs `python -m …`, or `python -c …`, in the copy."""

    def start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *(["-m"] if arguments[0] != "-c" else []), *arguments],
            cwd=project,
            env={
                **environment,
                **warehouse.variables(),
                "DBT_TARGET_PATH": str(tmp_path / "target"),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The awkward files."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


def test_from_unknown_files_to_a_green_run(
    project: Path, run: Run, folder: Path, query: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    done = run("extract", "suggest", str(folder), "--source", "shop")
    assert (done.returncode, done.stderr) == (0, "")
    assert "left out: photo.png: line 3 holds NUL bytes" in " ".join(done.stdout.split())
    assert re.search(r"code +text +2 of 2 values; 2 begin with 0; 1 empty or NULL", done.stdout)
    assert f"make run SOURCES=shop SHOP_BUCKET_URL={folder}" in done.stdout
    ran = run("orchestrate", "run", "shop", SHOP_BUCKET_URL=str(folder))
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    assert "warning: no_shop_value_was_rejected: Got 1 result" in ran.stdout
    assert query(
        "select id, items_order, price, items_user, items_date, is_active, code "
        "from staging.stg_shop__items order by 1"
    ) == [
        (1, 'a "b"; c', Decimal("1.25"), None, date(2024, 2, 29), True, "007"),
        (2, "second", Decimal("-0.5"), "x", date(2024, 3, 1), False, "010"),
        (3, "third", None, None, None, None, None),
    ]
    assert query("select column_1, column_2, column_3 from staging.stg_shop__cities") == [
        ("São Paulo", 12, "two\nlines"),
        *[("Zürich", 7, None)] * 2,
    ]
    assert query("select count(*), sum(kwh) from staging.stg_shop__readings") == [(202, 20_000)]
    assert query(
        "select order_code, total, updated_at from staging.stg_shop__orders order by 1"
    ) == [
        ("x1", 5, datetime(2024, 1, 1)),  # noqa: DTZ001
        ("x2", 7, datetime(2024, 1, 2, 10)),  # noqa: DTZ001
        ("x3", 8, datetime(2024, 1, 2)),  # noqa: DTZ001
        ("x4", 9, datetime(2024, 1, 2, 10)),  # noqa: DTZ001
    ]
    assert query("select column_1, mpg from staging.stg_shop__cars order by 2") == [
        ("Mazda RX4", Decimal(21)),
        ("Datsun", Decimal("22.8")),
    ]
    assert query("select count(*) from staging.stg_shop__nothing") == [(0,)]
    assert query("select feed, value from quality.dq_shop_rejected_values") == [("readings", "l2")]
    # The conventions of `make lint` hold, on the manifest that the run kept. A feed of text alone
    # has no rejected values, so nothing reads it yet: that was said.
    (manifest,) = project.parent.glob("target/builds/*/manifest.json")
    shutil.copy(manifest, project.parent / "target")
    checked = run(
        *("-c", "from dbt_bouncer.main import app; app()", "run"),
        *("--only", "manifest_checks", "--show-all-failures"),
        DBT_PROJECT_DIR=str(project.parent),
        COLUMNS="200",
    )
    failed = re.findall(r"(check_\w+):\d+:(\w+shop\w+)", checked.stdout + checked.stderr)
    assert set(failed) == {("check_model_min_downstream_models", "stg_shop__nothing")}
    written = [path.read_text("utf-8") for path in project.glob("models/*/shop/*.yml")]
    assert [unknown_keys(text) for text in written] == [[]] * 8
    shutil.copy(ROOT / ".sqlfluff", project)
    folders = ("models/staging/shop", "models/quality/shop")
    linted = run("sqlfluff", "lint", "--disable-progress-bar", *folders)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_nothing_is_overwritten_unless_told(project: Path, run: Run, folder: Path) -> None:
    declared = project / "extract" / "sources.yml"
    model = project / "models/staging/shop/stg_shop__items.sql"
    model.parent.mkdir()
    model.write_text("select 1", encoding="utf-8")
    before = declared.read_bytes()
    command = ("extract", "suggest", str(folder / "items.csv"), "--source", "shop")
    refused = run(*command)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "models/staging/shop/stg_shop__items.sql: there already" in refused.stderr
    assert "--force" in refused.stderr
    assert (model.read_text(encoding="utf-8"), declared.read_bytes()) == ("select 1", before)
    assert run(*command, "--force").returncode == 0
    assert "items" in model.read_text(encoding="utf-8")
    # What was there, comments and all, is before the new entry; and it is there once.
    assert declared.read_bytes().startswith(before)
    again = run(*command)
    assert (again.returncode, "source shop in extract/sources.yml" in again.stderr) == (2, True)
    assert run(*command, "--force").returncode == 0
    assert declared.read_bytes().startswith(before)
    assert declared.read_text(encoding="utf-8").count("\n  shop:\n") == 1
    assert list(read_sources(declared)["shop"].feeds_by_name) == ["items"]


def test_a_file_from_the_web_is_one_command_too(project: Path, run: Run, folder: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/items.csv"
        done = run("extract", "suggest", url, "--source", "shop")
        server.shutdown()
    assert (done.returncode, done.stderr) == (0, "")
    fetched = project / ".local" / "fetched" / "shop"
    assert (fetched / "items.csv").read_bytes() == FILES["items.csv"]
    assert f"Fetched: {fetched / 'items.csv'}. Loads read no web addresses" in done.stdout
    assert f"make run SOURCES=shop SHOP_BUCKET_URL={fetched}" in done.stdout
    declared = read_sources(project / "extract" / "sources.yml")["shop"]
    assert declared.feeds_by_name["items"].files == ("items.csv",)


@pytest.mark.parametrize(
    ("place", "source", "message"),
    [
        ("photo.png", "shop", "photo.png: line 3 holds NUL bytes, so it is binary"),
        ("absent.csv", "shop", "absent.csv: there is no such file or folder"),
        ("items.csv", "My Shop", "My Shop: names are snake_case"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_written(
    project: Path, run: Run, folder: Path, place: str, source: str, message: str
) -> None:
    before = (project / "extract" / "sources.yml").read_bytes()
    done = run("extract", "suggest", str(folder / place), "--source", source)
    assert (done.returncode in (1, 2), done.stdout) == (True, "")
    assert message in done.stderr
    assert (project / "extract" / "sources.yml").read_bytes() == before
    assert not (project / "models" / "staging" / "shop").exists()
