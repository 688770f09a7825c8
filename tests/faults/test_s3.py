"""An S3 server that fails, stalls, truncates and swaps objects while they are read."""

import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from common import storage
from common.errors import LoadError
from common.warehouse import Warehouse
from extract.load import load

from .conftest import Versions

Query = Callable[[str], list[tuple[Any, ...]]]
KEY = "sales/Sales.SalesOrderDetail.csv"


class Proxy:
    """Stands before a real S3 server; does to one kind of request what `faults` says, in turn.

    `method` and `place`, a part of the path, say which requests. After the last fault it is honest,
    unless told to repeat it for ever.
    """

    def __init__(self, endpoint: str) -> None:
        self.faults: list[str] = []
        self.for_ever = False
        self.method, self.place = "GET", KEY
        self.swap: Callable[[], None] = lambda: None
        self._there = urlsplit(endpoint)
        self._released = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                proxy._forward(self)

            def do_GET(self) -> None:
                proxy._forward(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def _next_fault(self, request: BaseHTTPRequestHandler) -> str:
        if not self.faults or request.command != self.method or self.place not in request.path:
            return ""
        return self.faults[0] if self.for_ever else self.faults.pop(0)

    def _forward(self, request: BaseHTTPRequestHandler) -> None:
        fault = self._next_fault(request)
        if fault in ("500", "503"):
            request.send_response(int(fault))
            body = b"<Error><Code>SlowDown</Code><Message>Please reduce your rate</Message></Error>"
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
            return
        if fault == "swapped":
            self.swap()
        connection = http.client.HTTPConnection(str(self._there.hostname), self._there.port or 80)
        connection.request(request.command, request.path, headers=dict(request.headers))
        answer = connection.getresponse()
        body = answer.read()
        headers = dict(answer.getheaders())
        if fault == "other bytes":
            body = body.replace(b"v1", b"v0")
        elif fault == "shorter":
            body = body[: len(body) // 2]
            headers["Content-Length"] = str(len(body))
        request.send_response(answer.status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                request.send_header(name, value)
        request.end_headers()
        if fault in ("dropped", "stalled"):
            request.wfile.write(body[: len(body) // 2])
            request.wfile.flush()
            if fault == "stalled":
                self._released.wait(30)
            request.close_connection = True
            request.connection.close()
            return
        request.wfile.write(body)


@pytest.fixture
def proxy(
    versions: Versions,
    tmp_path: Path,
    s3: dict[str, str],
    s3_bucket: Callable[[Path], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Proxy]:
    """The first version of all files in a bucket behind the proxy."""
    versions.write(1)
    monkeypatch.setenv("BUCKET_URL", s3_bucket(tmp_path / "versions"))
    proxy = Proxy(s3["AWS_ENDPOINT_URL"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setattr(storage, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(storage, "READ_TIMEOUT", 1)
    yield proxy
    proxy.close()


FAULTS = ["500", "503", "dropped", "stalled", "shorter", "other bytes"]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_twice_is_read_a_third_time(
    proxy: Proxy, versions: Versions, warehouse: Warehouse, query: Query, fault: str
) -> None:
    proxy.faults = [fault, fault]
    load(versions.source, warehouse)
    assert proxy.faults == []
    assert versions.seen(query(versions.query())) == 1


@pytest.mark.parametrize(("method", "place"), [("HEAD", KEY), ("GET", "list-type=2")])
@pytest.mark.parametrize("fault", ["500", "503", "dropped"])
def test_other_requests_are_made_again_too(
    proxy: Proxy,
    versions: Versions,
    warehouse: Warehouse,
    query: Query,
    method: str,
    place: str,
    fault: str,
) -> None:
    proxy.method, proxy.place = method, place
    proxy.faults = [fault]
    load(versions.source, warehouse)
    assert proxy.faults == []
    assert versions.seen(query(versions.query())) == 1


def test_a_server_that_always_fails_is_given_up_with_its_own_words(
    proxy: Proxy, versions: Versions, warehouse: Warehouse, query: Query
) -> None:
    proxy.faults, proxy.for_ever = ["503"], True
    with pytest.raises(LoadError, match=r"SalesOrderDetail\.csv: .*Please reduce your rate"):
        load(versions.source, warehouse)
    assert query("select to_regnamespace('raw_adventure_works')") == [(None,)]


@pytest.mark.parametrize("fault", ["dropped", "shorter", "other bytes"])
def test_what_fails_for_ever_is_named_and_loads_nothing(
    proxy: Proxy, versions: Versions, warehouse: Warehouse, query: Query, fault: str
) -> None:
    proxy.faults, proxy.for_ever = [fault], True
    with pytest.raises(LoadError, match=r"SalesOrderDetail\.csv: could not be read whole in 5"):
        load(versions.source, warehouse)
    assert query("select to_regnamespace('raw_adventure_works')") == [(None,)]
    assert query("select file, status from audit.files where error is not null") == [
        (KEY, "failed")
    ]
    proxy.faults = []
    load(versions.source, warehouse)
    assert versions.seen(query(versions.query())) == 1


def test_an_object_that_changes_while_it_is_read_is_read_anew(
    proxy: Proxy,
    versions: Versions,
    warehouse: Warehouse,
    query: Query,
    tmp_path: Path,
    s3: dict[str, str],
) -> None:
    name = storage.source_bucket("adventure_works").url.split("/")[2]
    honest = boto3.client("s3", endpoint_url=s3["AWS_ENDPOINT_URL"])
    versions.write(2)
    newer = (tmp_path / "versions" / "adventure_works" / KEY).read_bytes()
    proxy.swap = lambda: honest.put_object(Bucket=name, Key=f"adventure_works/{KEY}", Body=newer)
    proxy.faults = ["swapped"]
    load(versions.source, warehouse)
    # The changes of version 1 came with it; the whole table is the newer one throughout.
    assert query(
        """
        select distinct rowguid from raw_adventure_works.sales_order_detail
        where _source_file = 'sales/Sales.SalesOrderDetail.csv'
        """
    ) == [("v2",)]
    assert load(versions.source, warehouse).rows == 0
