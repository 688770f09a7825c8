"""Reads `sources.yml`: which feeds there are, where their files lie and how they are written."""

import codecs
import hashlib
import json
import re
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from common.errors import ConfigurationError

SOURCES_FILE = Path(__file__).with_name("sources.yml")


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a name is listed twice")
    return names


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _share(value: Any) -> float:
    """Returns 0.01 for `1%`; a bare 0 needs no sign."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", str(value))
    if not (match or (value == 0 and not isinstance(value, bool))):
        raise ValueError(f"expected a share such as 1%, found {value!r}")
    share = float(match[1]) / 100 if match else 0.0
    if share > 1:
        raise ValueError(f"expected a share such as 1%, found {value!r}")
    return share


_HELP = "what may stand there, extract/sources.yml says at its top"
_NAMES = "names are snake_case, at most 40 characters"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


def check_name(name: str) -> None:
    """Raises ConfigurationError for what cannot be the name of a source."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {_NAMES}: choose another") from error


Share = Annotated[float, BeforeValidator(_share)]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Format(_Declared):
    """How files are written; the defaults are plain RFC 4180 CSV.

    Lines that start with `comment` are skipped. With `last_column_takes_rest`, delimiters beyond
    the last column's are part of its value.
    """

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header: bool = True
    comment: str = ""
    last_column_takes_rest: bool = False

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if len(self.delimiter.encode()) != 1 or len(self.quote) != 1:
            raise ValueError("delimiter and quote are one character each, the former ASCII")
        if self.delimiter in "\"'\\\r\n" or self.delimiter == self.quote:
            raise ValueError(f"{self.delimiter!r} cannot delimit")
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def is_utf8(self) -> bool:
        """Whether files are declared to be UTF-8."""
        return codecs.lookup(self.encoding).name == "utf-8"


class Api(_Declared):
    """A source whose feeds are pages of an API at `url`, or at `<SOURCE>_URL` where that is set.

    Fields in `repeats` get no column of their own.
    """

    url: str
    page_size: int = Field(default=100, ge=1)
    repeats: tuple[str, ...] = ()


class Feed(_Declared):
    """One raw table and the files that it is made of.

    Of each pattern in `files` the newest match is loaded, and together these are the whole table;
    of `parts` every match is part of the table. Files that match `changes` bring new and changed
    rows, which are appended. `columns` are the names that a header must have (of files without a
    header: the names of their columns); further ones are landed and reported.
    """

    name: Name
    files: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = Field(
        default=(), alias="file"
    )
    parts: str = ""
    changes: str = ""
    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    key: tuple[str, ...] = ()
    newest_by: str = ""
    # A row that is missing from a table that others refer to by key breaks those too.
    max_rejected: Share = Field(default_factory=lambda feed: 0.0 if feed.get("key") else 0.01)
    min_share: Share = 0.8
    format: Format = Format()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        for names in (self.files, self.columns, self.key):
            _unique(names)
        for column in (*self.key, *([self.newest_by] if self.newest_by else [])):
            if column not in self.columns:
                raise ValueError(f"{column} is not among its columns")
        if self.changes and not (self.key and self.newest_by):
            raise ValueError("changes need a key, and newest_by to tell what is new")
        if self.files and self.parts:
            raise ValueError("either 'file' (newest match wins) or 'parts' (all matches add up)")
        if not (self.files or self.parts or self.changes):
            raise ValueError("'file' is missing (or 'parts', or 'changes')")
        return self

    @property
    def patterns(self) -> tuple[str, ...]:
        """All patterns of file names that the feed takes."""
        return (*self.files, *(each for each in (self.parts, self.changes) if each))

    @cached_property
    def digest(self) -> str:
        """Changes with how files are read: read in another way, a file is loaded anew."""
        text = json.dumps([self.format.model_dump(), self.columns, self.key, self.newest_by])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Source(_Declared):
    """One source system: its feeds are loaded together, in one atomic load.

    With `drops`, people leave its files in a landing folder one by one: any of them may be missing.
    """

    name: Name
    description: str
    feeds_by_name: dict[Name, Feed] = Field(alias="feeds")
    drops: bool = False
    api: Api | None = None

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """The feeds in the order of their declaration."""
        return tuple(self.feeds_by_name.values())

    @model_validator(mode="after")
    def _api_feeds_are_paths(self) -> Self:
        for feed in self.feeds if self.api else ():
            has_path = len(feed.files) == 1 and "*" not in feed.files[0]
            if not (feed.key and has_path) or feed.changes or feed.parts:
                raise ValueError(
                    f"feeds: {feed.name}: of an API, it has a key, and one path as its file"
                )
        return self

    @property
    def raw_schema(self) -> str:
        """Schema of the raw tables, a table for each feed, and of dlt's own tables."""
        return f"raw_{self.name}"

    @property
    def files_schema(self) -> str:
        """Schema of the partitions of the raw tables: one for each current file."""
        return f"raw_{self.name}_files"


class _Document(_Declared):
    sources: dict[Name, Source]

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, document: Any) -> Any:
        """Tells sources and feeds their names, and feeds the format of their source."""
        for name, source in _items(document, "sources"):
            shared = source.pop("format", {})
            for feed_name, feed in _items(source, "feeds"):
                feed["name"] = feed_name
                feed["format"] = {**shared, **feed.get("format", {})}
            source["name"] = name
        return document


def _items(body: dict[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns a mapping's inner mappings; what is none is left to pydantic to refuse."""
    inner = body.get(key)
    found = inner.items() if isinstance(inner, dict) else ()
    return [(name, each) for name, each in found if isinstance(each, dict)]


def read_sources(path: Path = SOURCES_FILE) -> dict[str, Source]:
    """Returns the declared sources by name.

    Raises ConfigurationError, naming the file and the key, for anything unknown or missing.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}; correct it") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path}: expected a mapping, found {document!r}; {_HELP}")
    try:
        return _Document.model_validate(document).sources
    except ValidationError as error:
        # A misspelt key is the reason why another one is missing.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        raise ConfigurationError(f"{path}: {_describe(first)}; {_HELP}") from error


def _describe(error: Any) -> str:
    """Says what is wrong and where, in the words of sources.yml."""
    *place, key = [str(part) for part in error["loc"] if part != "[key]"] or [""]
    place = place[1:] if place[:1] == ["sources"] else place
    message = f"{key}: {error['msg'].removeprefix('Value error, ')}"
    if error["type"] == "extra_forbidden":
        by_key: dict[str, type[BaseModel]] = {"api": Api, "format": Format}
        by_depth: dict[int, type[BaseModel]] = {0: _Document, 1: Source, 3: Feed}
        model = by_key.get(place[-1] if place else "") or by_depth[len(place)]
        fields = model.model_fields.items()
        known = sorted(field.alias or name for name, field in fields if name != "name")
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        message = f"unknown key {key!r}; {hint}"
    elif error["type"] == "missing":
        message = f"{key!r} is missing"
    elif error["type"] == "string_pattern_mismatch":
        message = f"{key}: {_NAMES}"
    return ": ".join([*place, message])
