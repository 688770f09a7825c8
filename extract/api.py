"""Reads the pages of an API as if they were a file in a bucket: one object a feed, written as CSV.

The pages are read with dlt's REST client. An API may change while it is read, and its pages then
lose or repeat records: what was read counts only if the API says the same about itself before and
after, and has as many records as it says.
"""

import csv
import os
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import simplejson

from common.errors import ConfigurationError, LoadError
from common.storage import Object, Origin
from extract.declaration import Api, Feed, Source

if TYPE_CHECKING:
    from dlt.sources.helpers.requests import Response
    from dlt.sources.helpers.rest_client.client import RESTClient

USER_AGENT = "elt-warehouse/1.0"
# The column that holds the record itself.
RECORD = "record"
# How often one request is made, and how long to wait in between: 0.5, 1, 2, 4 s, or as long as the
# server asks, up to LONGEST_WAIT.
REQUEST_ATTEMPTS = 5
BACKOFF_SECONDS = 0.5
LONGEST_WAIT = 120
CONNECT_TIMEOUT = 10
READ_TIMEOUT = 30
# How often all pages are read, if the API changes meanwhile.
PASSES = 5

Key = tuple[str, ...]
Record = dict[str, Any]


class ApiPages:
    """The feeds of a source that are pages of an API, with a bucket's interface."""

    def __init__(self, source: Source, api: Api, url: str) -> None:
        self.url = url
        self._source = source
        self._api = api

    def objects(self) -> Iterator[Object]:
        """Lists the feeds. Only reading one tells whether it is new, so none has a version."""
        for feed in self._source.feeds:
            yield Object(feed.files[0], 0, "", datetime.now(UTC))

    def download(self, item: Object, path: Path) -> Object:
        """Writes all records, by key, so that the same records are the same bytes."""
        feed = next(feed for feed in self._source.feeds if feed.files[0] == item.key)
        records = _Pages(self.url, feed, self._api).read()
        where = f"{self.url}/{item.key}"
        _write(path, where, feed, self._api, [records[key] for key in sorted(records)])
        return Object(item.key, path.stat().st_size, "", datetime.now(UTC))


def open_api(source: Source) -> Origin:
    """Returns a source's API: at `<SOURCE>_URL`, or as declared where that is not set.

    Raises ConfigurationError, which does not repeat the URL, if that is none or holds a password.
    """
    if source.api is None:
        raise ConfigurationError(f"{source.name}: is not declared as an API")
    name = f"{source.name.upper()}_URL"
    url = os.environ.get(name) or source.api.url
    _check_url(name, url)
    return ApiPages(source, source.api, url.rstrip("/"))


def _check_url(name: str, url: str) -> None:
    # The URL itself is not repeated: it may hold a key.
    expected = ConfigurationError(f"{name}: expected http(s)://host[:port][/path], and no more")
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise expected from None
    if parts.scheme not in ("http", "https") or not has_host or parts.query or parts.fragment:
        raise expected
    if "@" in parts.netloc:
        raise ConfigurationError(f"{name}: …@…: users and passwords do not belong into the URL")


_ADVICE = "load again later, or see extract/sources.yml for its address and shape"


class _Pages:
    """All pages of one feed."""

    def __init__(self, url: str, feed: Feed, api: Api) -> None:
        self._address = url
        # Proxies of the environment are for what is not on this machine.
        is_local = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
        self._session = {"trust_env": not is_local}
        self._feed = feed
        self._path = feed.files[0]
        self._page_size = api.page_size
        self._where = f"{url}/{self._path}"

    def read(self) -> dict[Key, Record]:
        """Returns the records by key.

        Raises LoadError if the API fails, if it keeps changing while it is read, or if it says
        twice that it has another number of records than it has.
        """
        # Imported late: half a second that sources without an API need not pay.
        from dlt.sources.helpers.requests import HTTPError, RequestException

        try:
            return self._read()
        except HTTPError as error:
            status = error.response.status_code if error.response is not None else "?"
            times = f", {REQUEST_ATTEMPTS} times in a row" if _is_passing(status) else ""
            raise LoadError(f"{self._where}: answered {status}{times}; {_ADVICE}") from error
        except RequestException as error:
            if isinstance(error, ValueError):
                raise LoadError(
                    f"{self._where}: answered what is no JSON: {error}; {_ADVICE}"
                ) from error
            raise LoadError(f"{self._where}: cannot be read: {error}; {_ADVICE}") from error

    def _read(self) -> dict[Key, Record]:
        client = self._client()
        previous: dict[Key, Record] = {}
        before = self._meta(client)
        try:
            for _ in range(PASSES):
                records = self._pass(client)
                after = self._meta(client)
                if before == after:
                    total = self._total(after)
                    if len(records) == total:
                        return records
                    if records.keys() == previous.keys():
                        raise LoadError(
                            f"{self._where}: says that it has {total} records, but its pages hold "
                            f"{len(records)} (by {', '.join(self._feed.key)}); read twice; "
                            f"{_ADVICE}"
                        )
                previous, before = records, after
        finally:
            client.session.close()
        raise LoadError(
            f"{self._where}: changed each of {PASSES} times while it was read; load again later"
        )

    def _client(self) -> "RESTClient":
        from dlt.sources.helpers.requests import Client
        from dlt.sources.helpers.rest_client.client import RESTClient

        client = Client(
            request_timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            raise_for_status=False,
            # What to repeat is decided in one place, which has to see all answers.
            status_codes=(),
            retry_condition=self._is_to_be_repeated,
            request_max_attempts=REQUEST_ATTEMPTS,
            request_backoff_factor=BACKOFF_SECONDS,
            request_max_retry_delay=LONGEST_WAIT,
            respect_retry_after_header=True,
            session_attrs=self._session,
        )
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        return RESTClient(self._address, headers=headers, session=client.session)

    def _is_to_be_repeated(
        self, response: "Response | None", _: BaseException | None = None
    ) -> bool:
        """Whether an answer may be better next time; broken connections are dlt's to repeat."""
        if response is None:
            return False
        if _is_passing(response.status_code):
            wait = _retry_after(response.headers.get("Retry-After", ""))
            if wait > LONGEST_WAIT:
                raise LoadError(
                    f"{self._where}: answered {response.status_code}, and to come back in "
                    f"{wait:.0f} s: load again then"
                )
            return True
        return bool(response.ok) and not _is_json(response)

    def _meta(self, client: "RESTClient") -> Mapping[str, Any]:
        """Returns what the API says about itself: the total, and numbers by this and that."""
        response = client.get(f"{self._path}/meta", params={"per_page": self._page_size})
        response.raise_for_status()
        meta = response.json()
        if not isinstance(meta, dict):
            raise LoadError(f"{self._where}/meta: expected an object; {_ADVICE}")
        return {
            name: value
            for name, value in meta.items()
            if name == "total" or isinstance(value, dict | list)
        }

    def _total(self, meta: Mapping[str, Any]) -> int:
        # Older replies have it as text.
        total = str(meta.get("total"))
        if not re.fullmatch("[0-9]{1,18}", total):
            raise LoadError(f"{self._where}/meta: says no total; {_ADVICE}")
        return int(total)

    def _pass(self, client: "RESTClient") -> dict[Key, Record]:
        """Reads all pages once; of a duplicate record, the later one counts."""
        from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

        records: dict[Key, Record] = {}
        pages = client.paginate(
            self._path,
            params={"per_page": self._page_size},
            paginator=PageNumberPaginator(base_page=1, total_path=None),
            data_selector="$",
        )
        for number, page in enumerate(pages, start=1):
            where = f"{self._where}?page={number}"
            known = len(records)
            for record in _records(page.response, where):
                records[_key(record, self._feed, where)] = record
            if len(records) == known:
                # The end; or a server that answers the same page for ever.
                break
        return records


def _is_passing(status: int | str) -> bool:
    return status == 429 or (isinstance(status, int) and status >= 500)


def _retry_after(value: str) -> float:
    """Returns the seconds that a Retry-After asks to wait, 0 if it says nothing."""
    if re.fullmatch(r"\s*[0-9]+\s*", value):
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0


def _is_json(response: "Response") -> bool:
    try:
        response.json()
    except (ValueError, RecursionError):
        return False
    return True


def _records(response: "Response", where: str) -> list[Record]:
    """Returns the records of a page; numbers with a fraction stay as spelt: 0.10 is not 0.1."""
    # requests takes simplejson where that is installed, as it is with dlt.
    records = response.json(use_decimal=True)
    if not isinstance(records, list):
        raise LoadError(
            f"{where}: expected a list of records, found {str(records)[:80]!r}; {_ADVICE}"
        )
    for record in records:
        if not isinstance(record, dict):
            raise LoadError(f"{where}: expected records, found {str(record)[:80]!r}; {_ADVICE}")
    return records


def _key(record: Record, feed: Feed, where: str) -> Key:
    key = tuple(_as_text(record.get(name)) for name in feed.key)
    if not all(key):
        raise LoadError(
            f"{where}: a record has no {', '.join(feed.key)}: {str(record)[:200]}; {_ADVICE}"
        )
    return key


def _write(path: Path, where: str, feed: Feed, api: Api, records: list[Record]) -> None:
    """Writes declared fields first, then new ones, then the record itself.

    A declared field that no record has is not in the header, and missed there as in any file.
    """
    present = {name for record in records for name in record} if records else {*feed.columns}
    if records and RECORD in present:
        raise LoadError(
            f"{where}: a field is called {RECORD}, as the column of the whole is; {_ADVICE}"
        )
    new = sorted(present - {*feed.columns, *api.repeats})
    names = [name for name in feed.columns if name in present and name != RECORD] + new
    # What cannot be written as UTF-8 is refused record by record, as in any file.
    with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, RECORD])
        for record in records:
            writer.writerow([*(_as_text(record.get(name)) for name in names), _as_json(record)])


def _as_text(value: Any) -> str:
    """Returns a field's value: a string as it is, NULL as nothing, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else _as_json(value)


def _as_json(value: Any) -> str:
    text: str = simplejson.dumps(value, use_decimal=True, ensure_ascii=False, separators=(",", ":"))
    return text
