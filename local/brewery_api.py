"""A mock of the brewery API: the public one's shape over HTTP, on this machine.

`GET /v1/breweries?page=N&per_page=M` answers a list of at most 200 records (50 if not told
otherwise), empty past the end; `GET /v1/breweries/meta` how many there are, in all and by type,
state and country.
"""

import csv
import json
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
NUMBERS = ("longitude", "latitude")
GROUPS = {"by_state": "state_province", "by_type": "brewery_type", "by_country": "country"}

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


@dataclass(frozen=True)
class Brewery:
    """A record as the API answers it, and what the API counts by."""

    json: str
    groups: tuple[tuple[str, str], ...]


class BreweryApi:
    """The server; it runs within `with`, or from `start` to `stop`. `url` is where."""

    # Columns whose values are numbers in the answers; a number keeps its spelling.
    numbers: Sequence[str] = NUMBERS

    def __init__(self, records: Sequence[dict[str, str]], port: int = 0) -> None:
        """Serves the rows of a breweries.csv on the loopback interface; port 0 is any free one."""
        self.breweries = [self.encode(record) for record in records]
        self.lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet: the second would wait for the first's receipt.
            wbufsize = -1

            def do_GET(self) -> None:
                api.answer(self)

            def log_message(self, *_: object) -> None:
                """Nothing: a load says itself what it read."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Serves from a thread of its own."""
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "BreweryApi":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answers one request: 404 for an address that is none."""
        body = self.body(request.path)
        request.send_response(200 if body else 404)
        request.send_header("Content-Type", "application/json; charset=utf-8")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def body(self, target: str) -> bytes:
        """Returns the JSON at this path and query, nothing for an address that is none."""
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        per_page = min(_number(query, "per_page", PER_PAGE), MOST_PER_PAGE)
        page = _number(query, "page", 1)
        with self.lock:
            if parts.path == f"{PATH}/meta":
                return json.dumps(self.meta(page, per_page)).encode()
            if parts.path == PATH:
                return self.page(page, per_page).encode()
        return b""

    def page(self, number: int, size: int) -> str:
        """Returns a page of records, the first being number 1."""
        chosen = self.breweries[(number - 1) * size : number * size]
        return f"[{','.join(brewery.json for brewery in chosen)}]"

    def meta(self, page: int, per_page: int) -> dict[str, Any]:
        """Returns how many records there are, in all and by group."""
        counts = Counter(group for brewery in self.breweries for group in brewery.groups)
        by: dict[str, dict[str, int]] = {name: {} for name in GROUPS}
        for (name, value), count in sorted(counts.items()):
            by[name][value] = count
        return {"total": len(self.breweries), "page": page, "per_page": per_page, **by}

    def encode(self, record: dict[str, str]) -> Brewery:
        """Returns a row of a breweries.csv as the API answers it."""
        spelt = {column: encode_basestring(value) for column, value in record.items() if value}
        for column in self.numbers:
            if _NUMBER.fullmatch(record.get(column, "")):
                spelt[column] = record[column]
        fields = [f'"{field}":{spelt.get(column, "null")}' for field, column in FIELDS.items()]
        groups = tuple((name, record.get(column, "")) for name, column in GROUPS.items())
        return Brewery(f"{{{','.join(fields)}}}", groups)


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    value = query.get(name, [""])[0]
    return int(value) if re.fullmatch("[1-9][0-9]{0,8}", value) else default


def read_breweries(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a breweries.csv."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        return [dict(zip(header, row, strict=False)) for row in rows if row]
