"""Reads `sources.yml`: which feeds there are, where their files lie and how they are written."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from extract.errors import ConfigurationError

SOURCES_FILE = Path(__file__).with_name("sources.yml")


@dataclass(frozen=True)
class Format:
    """How the files of a source are written; the defaults are plain RFC 4180 CSV."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Feed:
    """One kind of file, landing in one raw table of the same name.

    `columns` are the header's names that must be there; further ones are landed and reported.
    """

    name: str
    file: str
    columns: tuple[str, ...]
    format: Format

    @property
    def digest(self) -> str:
        """Changes with the declaration: an unchanged file read in another way is another load."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Source:
    """One source system: its feeds become visible together, in one load."""

    name: str
    description: str
    feeds: tuple[Feed, ...]

    @property
    def raw_schema(self) -> str:
        """Schema of the views that show the current rows of each feed; dbt reads only these."""
        return f"raw_{self.name}"

    @property
    def history_schema(self) -> str:
        """Schema of the tables that dlt loads into: every kept version of every file."""
        return f"raw_{self.name}_history"


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
    keys = {"description", "format", "feeds"}
    fields = _mapping(body, keys, {"description", "feeds"}, where)
    _identifier(name, where)
    file_format = Format(
        **_mapping(fields.get("format", {}), set(asdict(Format())), set(), f"{where}: format")
    )
    if len(file_format.delimiter) != 1 or len(file_format.quote) != 1:
        raise ConfigurationError(f"{where}: format: delimiter and quote are one character each")
    feeds = _mapping(fields["feeds"], None, set(), f"{where}: feeds")
    return Source(
        name=name,
        description=fields["description"],
        feeds=tuple(
            _feed(feed, body, file_format, f"{where}: feeds: {feed}")
            for feed, body in feeds.items()
        ),
    )


def _feed(name: str, body: Any, file_format: Format, where: str) -> Feed:
    fields = _mapping(body, {"file", "columns"}, {"file", "columns"}, where)
    _identifier(name, where)
    columns = fields["columns"]
    if not isinstance(columns, list) or not all(isinstance(c, str) for c in columns):
        raise ConfigurationError(f"{where}: columns: expected a list of names")
    if len(set(columns)) < len(columns):
        raise ConfigurationError(f"{where}: columns: a name is listed twice")
    return Feed(name=name, file=fields["file"], columns=tuple(columns), format=file_format)


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
