"""The mock of the brewery API with faults: statuses, broken answers, records that come and go."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import UUID

from local.brewery_api import BreweryApi

FAULTS = ("429", "500", "503", "drop", "cut", "refuse", "garbage", "hang")
CHANGES = ("insert", "remove", "replace", "move")


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


class FaultyApi(BreweryApi):
    """The mock, misbehaving as told; it remembers what it was asked, and how patiently."""

    def __init__(
        self, records: Sequence[dict[str, str]], behaviour: Behaviour | None = None
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self.requests: list[str] = []
        self.user_agents: set[str] = set()
        self.waits: list[float] = []
        self._made = self._faults = self._changes = self._pages = 0
        self._asked_to_wait_at: float | None = None
        self._stopped = threading.Event()
        if self.behaviour.as_text:
            self.numbers = ()
        super().__init__(records)

    @property
    def ids(self) -> list[str]:
        """The ids of the records, in the order of the pages."""
        with self.lock:
            return [json.loads(brewery.json)["id"] for brewery in self.breweries]

    def stop(self) -> None:
        # Ends the silence of requests that hang.
        self._stopped.set()
        super().stop()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        with self.lock:
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
        elif fault.isdigit():
            body = b'{"message": "not now"}'
            _send(request, int(fault), body, len(body), self.behaviour.retry_after)
            with self.lock:
                self._asked_to_wait_at = time.monotonic()
        elif fault == "garbage":
            body = b"<html>maintenance</html>"
            _send(request, 200, body, len(body))
        elif fault in ("drop", "cut"):
            body = self.body(request.path)
            _send(request, 200, body[: len(body) // 2], len(body) if fault == "drop" else None)
        else:
            super().answer(request)

    def page(self, number: int, size: int) -> str:
        chosen = super().page(number, size)
        self._change()
        return chosen

    def meta(self, page: int, per_page: int) -> dict[str, Any]:
        found = super().meta(page, per_page)
        found["total"] += self.behaviour.total_off_by
        if self.behaviour.as_text:
            found |= {name: str(found[name]) for name in ("total", "page", "per_page")}
        return found

    def _next_fault(self) -> str:
        todo = self.behaviour
        self._made += 1
        is_turn = todo.faults and self._made % todo.every == 0
        if not is_turn or (todo.times is not None and self._faults >= todo.times):
            return ""
        self._faults += 1
        return todo.faults[(self._faults - 1) % len(todo.faults)]

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
            self.breweries.insert(0, self.breweries.pop())
        if change in ("remove", "replace"):
            del self.breweries[0]
        if change in ("insert", "replace"):
            made = self.encode(_made_up(self._changes))
            self.breweries.insert(0 if change == "insert" else len(self.breweries), made)


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
