"""Reads `sources.yml`: which feeds there are, where their files lie and how they are written."""

import codecs
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from common.errors import ConfigurationError

SOURCES_FILE = Path(__file__).with_name("sources.yml")


@dataclass(frozen=True)
class Format:
    """How files are written; the defaults are plain RFC 4180 CSV.

    Lines that start with `comment` are no records. With `last_column_takes_rest`, delimiters
    beyond the last column's are part of its value.
    """

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header: bool = True
    comment: str = ""
    last_column_takes_rest: bool = False


@dataclass(frozen=True)
class Api:
    """Where a source's feeds are pages of an API.

    `stand_in` is a module whose `stand_in()` serves it on this machine while `<SOURCE>_URL` is
    unset; without one, `url` is used then. Fields in `repeats` are in no column of their own.
    """

    url: str
    stand_in: str
    page_size: int
    repeats: tuple[str, ...]


@dataclass(frozen=True)
class Feed:
    """One raw table and the files that it is made of.

    `files` are patterns: of each, the newest file is taken, and together they are the whole table.
    Files that match `changes` bring new and changed rows: of rows with the same `key` the one with
    the latest `newest_by` shows. `columns` are the header's names that must be there (or, of files
    without one, the names of their columns); further ones are landed and reported.
    """

    name: str
    files: tuple[str, ...]
    changes: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    newest_by: str
    max_rejected: float
    min_share: float
    keep: int
    format: Format

    @property
    def digest(self) -> str:
        """Changes with how files are read: an unchanged file read in another way is a new load."""
        text = json.dumps([asdict(self.format), self.columns, self.key, self.newest_by])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Source:
    """One source system: its feeds become visible together, in one load.

    With `drops`, people leave its files in the bucket one by one: any of them may be missing.
    """

    name: str
    description: str
    feeds: tuple[Feed, ...]
    drops: bool = False
    api: Api | None = None

    @property
    def raw_schema(self) -> str:
        """Schema of the views that show the current rows of each feed; dbt reads only these."""
        return f"raw_{self.name}"

    @property
    def history_schema(self) -> str:
        """Schema of the tables behind the views: one for each kept version of a whole file."""
        return f"raw_{self.name}_history"

    @property
    def landing_schema(self) -> str:
        """Schema that a load fills and that no one reads; empty, or not there, between loads."""
        return f"raw_{self.name}_landing"


def read_sources(path: Path = SOURCES_FILE) -> dict[str, Source]:
    """Returns the declared sources by name.

    Raises ConfigurationError, naming the file and the key, for anything unknown or missing.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    root = _mapping(document, {"sources"}, {"sources"}, str(path))
    sources = _mapping(root["sources"], None, set(), f"{path}: sources")
    return {name: _source(name, body, f"{path}: {name}") for name, body in sources.items()}


def _source(name: str, body: Any, where: str) -> Source:
    keys = {"description", "format", "feeds", "drops", "api"}
    fields = _mapping(body, keys, {"description", "feeds"}, where)
    _identifier(name, where)
    feeds = _mapping(fields["feeds"], None, set(), f"{where}: feeds")
    drops = fields.get("drops", False)
    if not isinstance(drops, bool):
        raise ConfigurationError(f"{where}: drops: expected true or false, found {drops!r}")
    source = Source(
        name=name,
        description=fields["description"],
        drops=drops,
        feeds=tuple(
            _feed(feed, body, fields.get("format", {}), f"{where}: feeds: {feed}")
            for feed, body in feeds.items()
        ),
        api=_api(fields["api"], f"{where}: api") if "api" in fields else None,
    )
    for feed in source.feeds if source.api else ():
        if not feed.key or len(feed.files) != 1 or "*" in feed.files[0] or feed.changes:
            raise ConfigurationError(
                f"{where}: feeds: {feed.name}: of an API, it has a key, and one path as its file"
            )
    return source


def _api(body: Any, where: str) -> Api:
    fields = _mapping(body, {"url", "stand_in", "page_size", "repeats"}, {"url"}, where)
    page_size = fields.get("page_size", 100)
    if not isinstance(page_size, int) or page_size < 1:
        raise ConfigurationError(f"{where}: page_size: expected a number, found {page_size!r}")
    return Api(
        url=fields["url"],
        stand_in=fields.get("stand_in", ""),
        page_size=page_size,
        repeats=_names(fields.get("repeats", []), f"{where}: repeats"),
    )


def _feed(name: str, body: Any, source_format: Any, where: str) -> Feed:
    keys = {"file", "changes", "columns", "key", "newest_by", "format"}
    fields = _mapping(body, keys | {"max_rejected", "min_share", "keep"}, {"columns"}, where)
    _identifier(name, where)
    columns = _names(fields["columns"], f"{where}: columns")
    key = _names(fields.get("key", []), f"{where}: key")
    newest_by = fields.get("newest_by", "")
    for column in (*key, *([newest_by] if newest_by else [])):
        if column not in columns:
            raise ConfigurationError(f"{where}: {column} is not among its columns")
    changes = fields.get("changes", "")
    if changes and not (key and newest_by):
        raise ConfigurationError(f"{where}: changes need a key, and newest_by to tell what is new")
    files = fields.get("file", [])
    files = _names([files] if isinstance(files, str) else files, f"{where}: file")
    if not files and not changes:
        raise ConfigurationError(f"{where}: 'file' is missing (or 'changes')")
    keep = fields.get("keep", 3)
    if not isinstance(keep, int) or keep < 1:
        raise ConfigurationError(f"{where}: keep: expected a number of versions, found {keep!r}")
    return Feed(
        name=name,
        files=files,
        changes=changes,
        columns=columns,
        key=key,
        newest_by=newest_by,
        # A row that is missing from a table that others refer to by key breaks those too.
        max_rejected=_share(
            fields.get("max_rejected", 0 if key else "1%"), f"{where}: max_rejected"
        ),
        min_share=_share(fields.get("min_share", "80%"), f"{where}: min_share"),
        keep=keep,
        format=_format(source_format, fields.get("format", {}), where),
    )


def _format(of_source: Any, of_feed: Any, where: str) -> Format:
    """Returns the source's format with what the feed says otherwise."""
    known = asdict(Format())
    settings = {
        **_mapping(of_source, set(known), set(), f"{where}: format"),
        **_mapping(of_feed, set(known), set(), f"{where}: format"),
    }
    for name, value in settings.items():
        if not isinstance(value, type(known[name])):
            raise ConfigurationError(f"{where}: format: {name}: unexpected {value!r}")
    file_format = Format(**settings)
    if len(file_format.delimiter.encode()) != 1 or len(file_format.quote) != 1:
        raise ConfigurationError(
            f"{where}: format: delimiter and quote are one character each, the former ASCII"
        )
    if file_format.delimiter in "\"'\\\r\n" or file_format.delimiter == file_format.quote:
        raise ConfigurationError(f"{where}: format: {file_format.delimiter!r} cannot delimit")
    try:
        codecs.lookup(file_format.encoding)
    except LookupError as error:
        raise ConfigurationError(f"{where}: format: {error}") from error
    return file_format


def _names(names: Any, where: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{where}: expected a list of names")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{where}: a name is listed twice")
    return tuple(names)


def _share(value: Any, where: str) -> float:
    """Returns 0.01 for `1%`; a bare 0 needs no sign."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", str(value))
    if not (match or value == 0) or (match and float(match[1]) > 100):
        raise ConfigurationError(f"{where}: expected a share such as 1%, found {value!r}")
    return float(match[1]) / 100 if match else 0.0


def _identifier(name: str, where: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise ConfigurationError(f"{where}: names are snake_case, at most 40 characters")


def _mapping(
    body: Any, allowed: set[str] | None, required: set[str], where: str
) -> Mapping[str, Any]:
    """Checks that `body` is a mapping with these keys (any where `allowed` is None)."""
    if not isinstance(body, dict):
        raise ConfigurationError(f"{where}: expected a mapping, found {body!r}")
    for key in body:
        if allowed is not None and key not in allowed:
            near = get_close_matches(str(key), allowed, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(allowed))}"
            raise ConfigurationError(f"{where}: unknown key {key!r}; {hint}")
    for key in sorted(required - set(body)):
        raise ConfigurationError(f"{where}: {key!r} is missing")
    return body
