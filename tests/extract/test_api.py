"""An API over HTTP that fails, throttles, lies and changes while it is read: nothing is lost."""

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from common.errors import ConfigurationError, LoadError
from common.warehouse import Warehouse
from extract import api
from extract.declaration import Source, read_sources
from extract.load import load
from local.brewery_api import FILE, read_breweries
from local.defaults import local_defaults

from .faulty_api import Behaviour
from .faulty_api import FaultyApi as BreweryApi

Query = Callable[[str], list[tuple[Any, ...]]]
Serve = Callable[..., BreweryApi]

BREWERIES = "raw_open_brewery.breweries"
# 236 sample records make 12 pages; with an empty one, and what the API says of itself before and
# after, that is 15 requests.
PAGE_SIZE = 20


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(api, "READ_TIMEOUT", 0.5)


@pytest.fixture
def source() -> Source:
    source = read_sources()["open_brewery"]
    assert source.api
    api = source.api.model_copy(update={"page_size": PAGE_SIZE})
    return source.model_copy(update={"api": api})


@pytest.fixture(scope="module")
def records(small_bucket: Path) -> list[dict[str, str]]:
    return read_breweries(small_bucket / FILE)


@pytest.fixture
def serve(records: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a server that behaves as told, and points OPEN_BREWERY_URL at it."""
    started: list[BreweryApi] = []

    def start(rows: list[dict[str, str]] | None = None, **behaviour: Any) -> BreweryApi:
        server = BreweryApi(records if rows is None else rows, Behaviour(**behaviour))
        server.start()
        started.append(server)
        monkeypatch.setenv("OPEN_BREWERY_URL", server.url)
        return server

    yield start
    for server in started:
        server.stop()


def ids(query: Query) -> list[str]:
    return [row[0] for row in query(f"select id from {BREWERIES} order by id")]


def test_every_record_arrives_as_it_is_spelt(
    serve: Serve,
    source: Source,
    warehouse: Warehouse,
    query: Query,
    records: list[dict[str, str]],
) -> None:
    server = serve()
    assert load(source, warehouse).rows == len(records)
    columns = list(records[0])
    landed = query(f"select {', '.join(columns)} from {BREWERIES} order by _source_row")
    expected = sorted(records, key=lambda record: record["id"])
    assert landed == [tuple(row[name] or None for name in columns) for row in expected]
    assert query(f"select distinct _source_file from {BREWERIES}") == [("v1/breweries",)]
    assert server.user_agents == {"elt-warehouse/1.0"}
    assert sum("per_page=20" in path for path in server.requests) == len(server.requests) == 15


def test_the_record_is_kept_as_json(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query, records: list[dict[str, str]]
) -> None:
    serve([{**records[0], "name": 'a "b"\\, ü\n2', "longitude": "10.50", "postal_code": "00501"}])
    load(source, warehouse)
    ((name, longitude, postal_code, record),) = query(
        f"select name, longitude, postal_code, record from {BREWERIES}"
    )
    assert (name, longitude, postal_code) == ('a "b"\\, ü\n2', "10.50", "00501")
    assert '"longitude":10.50,' in record
    assert json.loads(record)["name"] == name
    assert json.loads(record)["street"] == records[0]["address_1"]


def test_the_same_records_in_another_order_are_no_new_load(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query, records: list[dict[str, str]]
) -> None:
    serve()
    load(source, warehouse)
    for order in (records[::-1], records, records[::-1]):
        serve(order)
        again = load(source, warehouse)
        assert [file.rows for file in again.files] == [None]
        assert query("select status from audit.files order by 1") == [("complete",), ("same",)]
    serve([{**records[0], "city": "Elsewhere"}, *records[1:]])
    assert load(source, warehouse).rows == len(records)
    assert query(f"select distinct _load_id from {BREWERIES}") == [(5,)]


def test_older_replies_give_the_same_rows(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query
) -> None:
    """They have numbers as text: totals and coordinates."""
    sql = f"select id, longitude, latitude from {BREWERIES} order by id"
    serve()
    load(source, warehouse)
    before = query(sql)
    serve(as_text=True)
    load(source, warehouse)
    assert query(sql) == before


@pytest.mark.parametrize("fault", ["429", "500", "503", "drop", "cut", "refuse", "garbage", "hang"])
def test_what_fails_is_asked_for_again(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query, fault: str
) -> None:
    server = serve(faults=[fault], every=4, times=3)
    load(source, warehouse)
    assert ids(query) == sorted(server.ids)
    assert len(server.requests) == 15 + 3


def test_all_faults_at_once_lose_nothing(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query
) -> None:
    faults = ["429", "drop", "500", "cut", "503", "refuse", "garbage"]
    server = serve(faults=faults, every=2, changes=["move", "remove", "insert"], change_times=3)
    load(source, warehouse)
    assert ids(query) == sorted(server.ids)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("429", "answered 429, 5 times in a row"),
        ("503", "answered 503, 5 times in a row"),
        ("drop", "cannot be read: "),
        ("refuse", "cannot be read: "),
        ("garbage", "answered what is no JSON: Expecting"),
        ("hang", r"cannot be read: .*timed out"),
    ],
)
def test_what_fails_for_ever_is_named_and_leaves_the_old_data(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query, fault: str, message: str
) -> None:
    before = serve().ids
    load(source, warehouse)
    server = serve(faults=[fault])
    with pytest.raises(LoadError, match=rf"http://[^/]+/v1/breweries: {message}"):
        load(source, warehouse)
    assert len(server.requests) == 5
    assert ids(query) == sorted(before)
    assert query("select status from audit.loads order by load_id") == [("complete",), ("failed",)]


def test_what_is_not_there_is_not_asked_for_again(
    serve: Serve, source: Source, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setenv("OPEN_BREWERY_URL", f"{server.url}/v2/")
    with pytest.raises(LoadError, match=r"/v2/v1/breweries: answered 404; "):
        load(source, warehouse)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", ["429", "503"])
@pytest.mark.parametrize("is_date", [False, True])
def test_a_retry_after_is_waited_for(
    serve: Serve, source: Source, warehouse: Warehouse, status: str, is_date: bool
) -> None:
    # A date has no parts of seconds: two seconds from now are at least one.
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    server = serve(faults=[status], times=1, retry_after=at if is_date else "1")
    load(source, warehouse)
    (wait,) = server.waits
    assert 0.9 < wait < 4


def test_a_long_retry_after_ends_the_load(
    serve: Serve, source: Source, warehouse: Warehouse
) -> None:
    server = serve(faults=["429"], retry_after="3600")
    with pytest.raises(LoadError, match="answered 429, and to come back in 3600 s: load again"):
        load(source, warehouse)
    assert len(server.requests) == 1


@pytest.mark.parametrize("change", ["insert", "remove", "replace", "move"])
@pytest.mark.parametrize("change_every", [1, 5, 11])
def test_what_changes_while_it_is_read_is_read_as_it_is_then(
    serve: Serve,
    source: Source,
    warehouse: Warehouse,
    query: Query,
    change: str,
    change_every: int,
) -> None:
    server = serve(changes=[change], change_every=change_every, change_times=2)
    load(source, warehouse)
    assert ids(query) == sorted(server.ids)
    assert len(server.requests) > 15


def test_what_never_stops_changing_is_not_loaded(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query
) -> None:
    before = serve().ids
    load(source, warehouse)
    server = serve(changes=["insert"], change_every=3)
    with pytest.raises(LoadError, match="changed each of 5 times while it was read"):
        load(source, warehouse)
    assert len(server.requests) < 5 * 30
    assert ids(query) == sorted(before)


@pytest.mark.parametrize("off_by", [-1, 1, 5])
def test_a_total_that_lies_is_an_error_and_leaves_the_old_data(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query, off_by: int
) -> None:
    before = serve().ids
    load(source, warehouse)
    serve(total_off_by=off_by)
    says = f"says that it has {len(before) + off_by} records, but its pages hold {len(before)}"
    with pytest.raises(LoadError, match=says):
        load(source, warehouse)
    assert ids(query) == sorted(before)


def test_an_id_that_is_there_twice_is_an_error(
    serve: Serve, source: Source, warehouse: Warehouse, records: list[dict[str, str]]
) -> None:
    serve([*records, {**records[0], "name": "Its twin"}])
    with pytest.raises(LoadError, match=r"has 237 records, but its pages hold 236 \(by id\)"):
        load(source, warehouse)


def test_far_fewer_records_than_before_are_refused(
    serve: Serve, source: Source, warehouse: Warehouse, query: Query, records: list[dict[str, str]]
) -> None:
    serve()
    load(source, warehouse)
    serve(records[:100])
    with pytest.raises(LoadError, match=r"100 rows, where 236 were before"):
        load(source, warehouse)
    assert len(ids(query)) == 236


@contextmanager
def answering(pages: dict[str, str]) -> Iterator[str]:
    """A server that answers each of these paths with that text, and `[]` otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            key = next((key for key in pages if key in self.path), "")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages.get(key, "[]").encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def brewery(**fields: Any) -> str:
    names = read_sources()["open_brewery"].feeds[0].columns
    return json.dumps({**dict.fromkeys(names[:-1]), "id": "a", **fields})


def test_new_fields_are_new_columns_and_pretty_pages_one_line_a_record(
    source: Source, warehouse: Warehouse, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = brewery(name="x", phone=True, opened=[1.25, {"b": None}], size=1e400)
    # Spelt as Python would not spell them.
    record = record.replace("1.25", "1.250").replace("Infinity", "1e400")
    pretty = "[\n" + record.replace(", ", ",\r\n ") + "\n]"
    pages = {"meta": '{"total": 1, "now": "never"}', "&page=1": pretty, "?page=1": pretty}
    with answering(pages) as url:
        monkeypatch.setenv("OPEN_BREWERY_URL", url)
        result = load(source, warehouse)
    assert result.files[0].new_columns == ("opened", "size")
    ((phone, opened, size, text, line),) = query(
        f"select phone, opened, size, record, _source_line from {BREWERIES}"
    )
    assert (phone, opened, size, line) == ("true", '[1.250,{"b":null}]', "1E+400", 2)
    assert "\n" not in text
    assert json.loads(text)["name"] == "x"


@pytest.mark.parametrize(
    ("meta", "page", "message"),
    [
        ('{"total": 1}', '[{"id": "a"}]', "column name, brewery_type, .* is missing"),
        ('{"total": 1}', '[{"id": null}]', "a record has no id"),
        ('{"total": 1}', '[["a"]]', "expected records, found"),
        ('{"total": 1}', '{"message": "moved"}', "expected a list of records"),
        ('{"total": null}', "[]", "says no total"),
        ("[]", "[]", "expected an object"),
        ('{"total": 1}', f"[{brewery(record='x')}]", "a field is called record"),
        ('{"total": 1}', f"[{brewery(name='a' + chr(0))}]", "NUL"),
        ('{"total": 1}', f"[{brewery(name=chr(0xD800))}]", "is not utf-8"),
    ],
)
def test_what_is_not_as_declared_is_refused(
    source: Source,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    meta: str,
    page: str,
    message: str,
) -> None:
    with answering({"meta": meta, "page=1": page}) as url:
        monkeypatch.setenv("OPEN_BREWERY_URL", url)
        with pytest.raises(LoadError, match=message):
            load(source, warehouse)


def test_a_server_that_ignores_the_page_is_not_read_for_ever(
    source: Source, warehouse: Warehouse, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering({"meta": '{"total": 1}', "breweries": f"[{brewery()}]"}) as url:
        monkeypatch.setenv("OPEN_BREWERY_URL", url)
        load(source, warehouse)
    assert ids(query) == ["a"]


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@127.0.0.1:1",
        "http://secret@127.0.0.1",
        "ftp://secret",
        "secret",
        "http://",
        "http://127.0.0.1?key=secret",
        "http://127.0.0.1:secret",
    ],
)
def test_a_wrong_url_is_refused_and_not_repeated(
    source: Source, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("OPEN_BREWERY_URL", url)
    with pytest.raises(ConfigurationError, match="OPEN_BREWERY_URL: ") as raised:
        api.open_api(source)
    assert "secret" not in str(raised.value)


def test_a_server_that_is_not_there_is_named(
    source: Source, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPEN_BREWERY_URL", "http://127.0.0.1:1")
    with pytest.raises(LoadError, match=r":1/v1/breweries: cannot be read: .*refused"):
        load(source, warehouse)


def test_with_nothing_set_the_stand_in_serves_the_bucket(
    small_bucket: Path,
    source: Source,
    warehouse: Warehouse,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    records: list[dict[str, str]],
) -> None:
    # Nobody asks a proxy for what is on this machine.
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("BUCKET_URL", small_bucket.as_uri())
    for name, value in warehouse.variables().items():
        monkeypatch.setenv(name, value)
    with local_defaults([source]):
        assert load(source, warehouse).rows == len(records)
    assert ids(query) == sorted(record["id"] for record in records)


def test_the_real_breweries_arrive_whole(
    real_data: Path,
    warehouse: Warehouse,
    query: Query,
    monkeypatch: pytest.MonkeyPatch,
    dbt: Callable[..., Path],
) -> None:
    for name, value in warehouse.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BUCKET_URL", str(real_data))
    monkeypatch.setattr(api, "READ_TIMEOUT", 30)
    source = read_sources()["open_brewery"]
    with local_defaults([source]):
        assert load(source, warehouse).rows == 11_822
    with (real_data / FILE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    landed = query(f"select {', '.join(rows[0])} from {BREWERIES}")
    assert sorted(rows[1:]) == sorted([value or "" for value in row] for row in landed)
    dbt(
        warehouse,
        "build",
        "--select",
        "@source:open_brewery",
        "--exclude-resource-type",
        "unit_test",
    )
    assert query(
        """
        select count(*), sum(brewery_count)
        from marts_breweries.agg_breweries_by_type_and_country
        """
    ) == [(80, 11_822)]
    assert query(
        """
        select country, count(*), count(*) filter (where is_inside_if_swapped)
        from quality.dq_brewery_coordinates_outside_country group by country order by 1
        """
    ) == [("Ireland", 1, 0), ("Italy", 4, 4), ("Portugal", 2, 2), ("United States", 2, 2)]
    assert query(
        """
        select
            count(*),
            count(*) filter (where phone like '%.0'),
            count(*) filter (where postal_code like '0%'),
            count(*) filter (where state_province in ('MIssouri', 'Vlaanderen')),
            count(*) filter (where state_province in ('Missouri', 'Flanders')),
            count(longitude)
        from marts_breweries.dim_brewery
        """
    ) == [(11_822, 0, sum(row[8].startswith("0") for row in rows), 0, 142 + 301, 9_387 - 9)]
