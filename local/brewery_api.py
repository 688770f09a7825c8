"""A brewery API on this machine: the public one's shape over HTTP, and faults on demand.

`GET /v1/breweries?page=N&per_page=M` answers a list of at most 200 records (50 if not told
otherwise), empty past the end; `GET /v1/breweries/meta` how many there are, in all and by type,
state and country.
"""

import csv
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json.encoder import encode_basestring
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from local import ROOT
from local.bucket import ensure_sample

FILE = "breweries/breweries.csv"
PATH = "/v1/breweries"
PER_PAGE = 50
MOST_PER_PAGE = 200
# Fields of a record, and the column of the file that each is.
FIELDS = {
    **{name: name for name in ("id", "name", "brewery_type", "address_1", "address_2")},
    **{name: name for name in ("address_3", "city", "state_province", "postal_code", "country")},
    **{name: name for name in ("longitude", "latitude", "phone", "website_url")},
    "state": "state_province",
    "street": "address_1",
}
GROUPS = {"by_state": "state_province", "by_type": "brewery_type", "by_country": "country"}
COORDINATES = ("longitude", "latitude")
FAULTS = ("429", "500", "503", "drop", "cut", "refuse", "garbage", "hang")
CHANGES = ("insert", "remove", "replace", "move")

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


@dataclass(frozen=True)
class Behaviour:
    """What the server does besides answering.

    Every `every`th request, `times` times in all, has the next of `faults` in turn: a status,
    `drop` (the connection breaks within the body), `cut` (so that only the body tells), `refuse`
    (it breaks before the answer), `garbage` (no JSON) or `hang` (silence for `hang` seconds).
    After every `change_every`th page, `change_times` times in all, the next of `changes` happens:
    a record comes to the front (`insert`), the first goes (`remove`), the first goes and another
    comes to the end (`replace`), or the last comes to the front (`move`).
    """

    faults: Sequence[str] = ()
    every: int = 1
    times: int | None = None
    retry_after: str = ""
    hang: float = 60
    delay: float = 0
    total_off_by: int = 0
    changes: Sequence[str] = ()
    change_every: int = 1
    change_times: int | None = None
    as_text: bool = False

    def __post_init__(self) -> None:
        unknown = [*(set(self.faults) - {*FAULTS}), *(set(self.changes) - {*CHANGES})]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no such fault or change")


@dataclass(frozen=True)
class _Brewery:
    """A record as the API answers it, and what the API counts by."""

    json: str
    groups: tuple[tuple[str, str], ...]


class BreweryApi:
    """The server; runs within `with`, or from `start` to `stop`. `url` is where."""

    def __init__(
        self, records: Sequence[dict[str, str]], behaviour: Behaviour | None = None, port: int = 0
    ) -> None:
        """Serves the rows of a breweries.csv on the loopback interface; port 0 is any free one."""
        self.behaviour = behaviour or Behaviour()
        self.requests: list[str] = []
        self.user_agents: set[str] = set()
        self.waits: list[float] = []
        self._breweries = [_brewery(record, self.behaviour.as_text) for record in records]
        self._made = self._faults = self._changes = self._pages = 0
        self._asked_to_wait_at: float | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet: the second would wait for the first's receipt.
            wbufsize = -1

            def do_GET(self) -> None:
                api._answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing: what was asked is in `requests`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def ids(self) -> list[str]:
        """The ids of the records, in the order of the pages."""
        with self._lock:
            return [json.loads(brewery.json)["id"] for brewery in self._breweries]

    def start(self) -> None:
        """Serves from a thread of its own."""
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Ends it, and the silence of requests that hang."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "BreweryApi":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self.requests.append(request.path)
            self.user_agents.add(request.headers.get("User-Agent", ""))
            if self._asked_to_wait_at is not None:
                self.waits.append(time.monotonic() - self._asked_to_wait_at)
                self._asked_to_wait_at = None
            fault = self._next_fault()
        if self.behaviour.delay:
            self._stopped.wait(self.behaviour.delay)
        if fault in ("refuse", "hang"):
            if fault == "hang":
                self._stopped.wait(self.behaviour.hang)
            request.close_connection = True
            return
        if fault.isdigit():
            self._refuse(request, int(fault))
            return
        body = b"<html>maintenance</html>" if fault == "garbage" else self._body(request.path)
        if not body:
            _send(request, 404, body, 0)
        elif fault in ("drop", "cut"):
            _send(request, 200, body[: len(body) // 2], len(body) if fault == "drop" else None)
        else:
            _send(request, 200, body, len(body))

    def _next_fault(self) -> str:
        todo = self.behaviour
        self._made += 1
        is_turn = todo.faults and self._made % todo.every == 0
        if not is_turn or (todo.times is not None and self._faults >= todo.times):
            return ""
        self._faults += 1
        return todo.faults[(self._faults - 1) % len(todo.faults)]

    def _refuse(self, request: BaseHTTPRequestHandler, status: int) -> None:
        body = b'{"message": "not now"}'
        _send(request, status, body, len(body), self.behaviour.retry_after)
        with self._lock:
            self._asked_to_wait_at = time.monotonic()

    def _body(self, target: str) -> bytes:
        """Returns the answer, nothing for an address that is none."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        per_page = min(_number(query, "per_page", PER_PAGE), MOST_PER_PAGE)
        page = _number(query, "page", 1)
        with self._lock:
            if parts.path == f"{PATH}/meta":
                return self._meta(page, per_page)
            if parts.path != PATH:
                return b""
            chosen = self._breweries[(page - 1) * per_page : page * per_page]
            self._change()
        return f"[{','.join(brewery.json for brewery in chosen)}]".encode()

    def _meta(self, page: int, per_page: int) -> bytes:
        numbers = {
            "total": len(self._breweries) + self.behaviour.total_off_by,
            "page": page,
            "per_page": per_page,
        }
        counts = Counter(group for brewery in self._breweries for group in brewery.groups)
        by: dict[str, dict[str, int]] = {name: {} for name in GROUPS}
        for (name, value), count in sorted(counts.items()):
            by[name][value] = count
        as_text = self.behaviour.as_text
        return json.dumps(
            {**{k: str(v) if as_text else v for k, v in numbers.items()}, **by}
        ).encode()

    def _change(self) -> None:
        todo = self.behaviour
        self._pages += 1
        if not todo.changes or self._pages % todo.change_every:
            return
        if todo.change_times is not None and self._changes >= todo.change_times:
            return
        change = todo.changes[self._changes % len(todo.changes)]
        self._changes += 1
        if change == "move":
            self._breweries.insert(0, self._breweries.pop())
        if change in ("remove", "replace"):
            del self._breweries[0]
        if change in ("insert", "replace"):
            made = _brewery(_made_up(self._changes), todo.as_text)
            self._breweries.insert(0 if change == "insert" else len(self._breweries), made)


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    length: int | None,
    retry_after: str = "",
) -> None:
    """Answers; hangs up after it if the length is not the body's."""
    request.send_response(status)
    request.send_header("Content-Type", "application/json; charset=utf-8")
    if retry_after:
        request.send_header("Retry-After", retry_after)
    if length is not None:
        request.send_header("Content-Length", str(length))
    if length != len(body):
        request.send_header("Connection", "close")
        request.close_connection = True
    request.end_headers()
    request.wfile.write(body)


def _brewery(record: dict[str, str], as_text: bool) -> _Brewery:
    spelt = {column: encode_basestring(value) for column, value in record.items() if value}
    for column in () if as_text else COORDINATES:
        if _NUMBER.fullmatch(record.get(column, "")):
            spelt[column] = record[column]
    fields = [f'"{field}":{spelt.get(column, "null")}' for field, column in FIELDS.items()]
    groups = tuple((name, record.get(column, "")) for name, column in GROUPS.items())
    return _Brewery(f"{{{','.join(fields)}}}", groups)


def _made_up(number: int) -> dict[str, str]:
    return {
        "id": str(UUID(int=number)),
        "name": f"Newcomer {number}",
        "brewery_type": "planning",
        "city": "Anchorage",
        "state_province": "Alaska",
        "postal_code": "00501",
        "country": "United States",
    }


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    value = query.get(name, [""])[0]
    return int(value) if re.fullmatch("[1-9][0-9]{0,8}", value) else default


def read_breweries(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a breweries.csv."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        return [dict(zip(header, row, strict=False)) for row in rows if row]


def find_breweries() -> Path:
    """Returns the file to serve: of BUCKET_URL's folder, of data beside the clone, of the sample.

    Raises ValueError for a SCALE that is no positive number.
    """
    bucket = os.environ.get("BUCKET_URL", "")
    folders = [ROOT.parent / "shared" / "data"]
    if bucket and not bucket.startswith("s3://"):
        folders.insert(0, Path(unquote(bucket.removeprefix("file://"))).expanduser())
    found = (folder / FILE for folder in folders if (folder / FILE).is_file())
    return next(found, None) or ensure_sample() / FILE


@contextmanager
def stand_in() -> Iterator[str]:
    """Serves what `find_breweries` finds, and yields where."""
    with BreweryApi(read_breweries(find_breweries())) as api:
        yield api.url
