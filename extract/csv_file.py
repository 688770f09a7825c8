"""Checks one CSV file and rewrites it in the one shape that is loaded, whatever shape it had.

DuckDB does both in one pass over the file, at several hundred MB a second and in bounded memory:
byte order mark, line ends, quotes and delimiter go; lineage columns come; a line that breaks the
format stops the load, with its number and the reason.
"""

import codecs
import csv
from dataclasses import dataclass
from pathlib import Path

import duckdb

from extract.bucket import CHUNK_BYTES
from extract.declaration import Feed
from extract.errors import LoadError

# The delimiter of the rewritten file: rare in data, so hardly a value needs quotes.
DELIMITER = "\t"
# Lineage, stored with each row: the version of the file it came from (audit.files), and its place.
FILE_ID = "_file_id"
LINE = "_line"

_MEMORY_LIMIT = "128MB"
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_HEADER_LIMIT = 1 << 20


@dataclass(frozen=True)
class Prepared:
    """A file ready to load: its path, its columns in raw (lineage not among them) and rows."""

    path: Path
    columns: tuple[str, ...]
    rows: int
    new_columns: tuple[str, ...]


def prepare(path: Path, where: str, feed: Feed, file_id: int, out: Path) -> Prepared:
    """Checks the file at `path`, called `where` in messages, and rewrites it to `out`.

    Columns are renamed by dlt's snake_case; those beyond the declared ones are kept and named in
    `new_columns`. Raises LoadError for a wrong encoding, a missing or doubled column, a line
    that breaks the format or holds a NUL character.
    """
    header = _read_header(path, where, feed)
    _refuse_nul(path, where)
    columns = _raw_columns(header, where, feed)
    rows = _rewrite(path, where, feed, columns, file_id, out)
    new = tuple(name for name in header if name not in feed.columns)
    return Prepared(out, columns, rows, new)


def _read_header(path: Path, where: str, feed: Feed) -> list[str]:
    with path.open("rb") as file:
        first = file.read(4)
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if first.startswith(mark):
            raise LoadError(f"{where}: is {encoding}, but {feed.format.encoding} was declared")
    encoding = "utf-8-sig" if feed.format.encoding == "utf-8" else feed.format.encoding
    try:
        with path.open(encoding=encoding, newline="") as text:
            # A file without line ends would otherwise be read whole.
            lines = text.read(_HEADER_LIMIT).splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise LoadError(
            f"{where}: is not {feed.format.encoding} (byte {error.start}: {error.reason})"
        ) from error
    header = next(
        csv.reader(lines, delimiter=feed.format.delimiter, quotechar=feed.format.quote), None
    )
    if not header:
        raise LoadError(f"{where}: is empty, not even a header line")
    return header


def _refuse_nul(path: Path, where: str) -> None:
    """PostgreSQL's text cannot hold the NUL character, and would refuse the whole file later."""
    line = 1
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            place = chunk.find(b"\0")
            if place >= 0:
                line += chunk.count(b"\n", 0, place)
                raise LoadError(f"{where}: line {line}: holds a NUL character (0x00)")
            line += chunk.count(b"\n")


def _raw_columns(header: list[str], where: str, feed: Feed) -> tuple[str, ...]:
    # Imported late: with it comes most of dlt, and one import serves all files.
    from dlt.common.normalizers.naming.snake_case import NamingConvention

    missing = [name for name in feed.columns if name not in header]
    if missing:
        found = ", ".join(header)
        raise LoadError(
            f"{where}: column {', '.join(missing)} is missing (declared for feed {feed.name} in "
            f"extract/sources.yml); the header has {found}"
        )
    naming = NamingConvention()
    columns: dict[str, str] = {}
    for name in header:
        if not name.strip():
            raise LoadError(f"{where}: column {header.index(name) + 1} of the header has no name")
        column = naming.normalize_identifier(name)
        if column in columns:
            raise LoadError(
                f"{where}: column {name} is there twice"
                + (f" (as {columns[column]} too)" if columns[column] != name else "")
            )
        if column in (FILE_ID, LINE):
            raise LoadError(f"{where}: column {name} has a name that is kept for lineage")
        columns[column] = name
    return tuple(columns)


def _rewrite(
    path: Path, where: str, feed: Feed, columns: tuple[str, ...], file_id: int, out: Path
) -> int:
    read = f"""
        read_csv(
            {_literal(str(path))},
            columns = {{{", ".join(f"{_literal(name)}: 'VARCHAR'" for name in columns)}}},
            auto_detect = false,
            header = true,
            delim = {_literal(feed.format.delimiter)},
            quote = {_literal(feed.format.quote)},
            escape = {_literal(feed.format.quote)},
            encoding = {_literal(feed.format.encoding)},
            store_rejects = true
        )
    """
    with duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "threads": 2}) as connection:
        try:
            copied: list[tuple[int]] = connection.execute(
                # Names are normalized and strings quoted: nothing of the file is run as SQL.
                f"""
                copy (select *, {file_id} as {FILE_ID}, row_number() over () as {LINE} from {read})
                to {_literal(str(out))} (format csv, header true, delimiter {_literal(DELIMITER)})
                """  # noqa: S608
            ).fetchall()
            rejected = connection.execute(
                "select line, error_message, csv_line from reject_errors order by line limit 3"
            ).fetchall()
        except duckdb.Error as error:
            raise LoadError(f"{where}: {str(error).splitlines()[0]}") from error
    if rejected:
        lines = "; ".join(
            f"line {line}: {reason.splitlines()[0]} ({_shorten(text)})"
            for line, reason, text in rejected
        )
        raise LoadError(f"{where}: {lines}")
    return copied[0][0]


def _literal(text: str) -> str:
    """Returns `text` as an SQL string."""
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def _shorten(text: str | None) -> str:
    line = (text or "").strip()
    return repr(line if len(line) <= 80 else f"{line[:80]}…")
