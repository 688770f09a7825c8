"""Makes of a downloaded file one that PostgreSQL's COPY takes as it is, in UTF-8.

Most files only need another header. One look at their bytes, at the speed of the disk, tells those
in which COPY and RFC 4180 agree; whatever else may be wrong with them (a line with a field too
many, a byte that is no UTF-8), COPY itself refuses. All others are read record by record, and what
is broken in them is set aside. Why not with a CSV library in all cases: see DECISIONS.md.
"""

import codecs
import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from common.errors import LoadError
from common.storage import CHUNK_BYTES
from extract.declaration import Feed, Format
from extract.records import Broken, escape_bytes, printable, read_records

# Columns of raw tables beside the file's own: the line in the file, and the place among records.
LINE = "_line"
ROW = "_row"
# Of rows that a newer file has replaced: that file.
SUPERSEDED_BY = "_superseded_by"
LINEAGE = (LINE, ROW, SUPERSEDED_BY)

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_HEADER_LIMIT = 1 << 20
# What COPY is told to take for a quote, whatever the file has.
COPY_QUOTE = '"'

codecs.register_error("extract.escape_bytes", escape_bytes)


@dataclass(frozen=True)
class Prepared:
    """A file ready for COPY.

    `columns` are the file's own in raw, `new_columns` the header's names beyond the declared ones.
    `rows` counts the records that are in `path`, `rejected` those that are in `rejects` (CSV: line,
    content, reason). If `numbered`, each line of `path` ends with LINE and ROW; if not, these count
    up from `first_line` and 1.
    """

    path: Path
    columns: tuple[str, ...]
    new_columns: tuple[str, ...]
    rows: int
    first_line: int
    numbered: bool = False
    rejected: int = 0
    rejects: Path | None = None


class _UnusualError(Exception):
    """The file must be read record by record."""


def content_digest(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def prepare(original: Path, where: str, feed: Feed, out: Path) -> Prepared:
    """Writes to `out` what COPY takes of the file `original`, called `where` in messages.

    Raises LoadError for a wrong encoding, or a column that is missing, doubled or nameless.
    """
    try:
        return _prepare_usual(original, where, feed, out)
    except _UnusualError:
        return prepare_carefully(original, where, feed, out)


def prepare_carefully(original: Path, where: str, feed: Feed, out: Path) -> Prepared:
    """Does the same record by record; broken ones go to a file beside `out`."""
    rejects = out.with_suffix(".rejects")
    rows = rejected = 0
    with (
        open_text(original, feed.format) as text,
        out.open("w", encoding="utf-8", newline="") as kept,
        rejects.open("w", encoding="utf-8", newline="") as refused,
    ):
        header, lines = read_header(text, where, feed)
        columns = raw_columns(header, where, feed)
        write = csv.writer(kept, delimiter=feed.format.delimiter, quotechar=COPY_QUOTE).writerow
        write([*columns, LINE, ROW])
        reject = csv.writer(refused).writerow
        try:
            for record in read_records(text, feed.format, len(columns), lines):
                if isinstance(record, Broken):
                    rejected += 1
                    reject([record.line, record.content, record.reason])
                else:
                    rows += 1
                    write([*record.values, record.line, record.row])
        except LoadError as error:
            raise LoadError(f"{where}: {error}") from error
    return Prepared(
        out,
        columns,
        _new(header, feed),
        rows,
        first_line=lines + 1,
        numbered=True,
        rejected=rejected,
        rejects=rejects,
    )


def _prepare_usual(original: Path, where: str, feed: Feed, out: Path) -> Prepared:
    """Copies the file under another header, having seen that COPY reads it as we would."""
    file_format = feed.format
    if (
        file_format.last_column_takes_rest
        or file_format.quote != COPY_QUOTE
        or codecs.lookup(file_format.encoding).name != "utf-8"
    ):
        raise _UnusualError
    with original.open("rb") as file, out.open("wb") as copy:
        start = _refuse_other_encodings(file, where, file_format)
        header: list[str] = []
        if file_format.header:
            line = file.readline(_HEADER_LIMIT)
            header = _parse_header(line, file_format)
        else:
            file.seek(start)
            header = list(feed.columns)
        columns = raw_columns(header, where, feed)
        if len(columns) == 1:
            # COPY takes blank lines for NULL then, and `\.` for the end of the file.
            raise _UnusualError
        copy.write(file_format.delimiter.join(columns).encode() + b"\n")
        rows = 0
        for chunk in _whole_lines(file):
            rows += _count_lines(chunk, file_format)
            copy.write(chunk)
    return Prepared(
        out, columns, _new(header, feed), rows, first_line=2 if file_format.header else 1
    )


def _count_lines(chunk: bytes, file_format: Format) -> int:
    """Returns the number of lines; raises _UnusualError where COPY would misread one of them.

    COPY refuses other numbers of fields, blank lines, mixed line ends and bytes that are no UTF-8.
    But it takes any quote for one that opens or closes a value, wherever it stands.
    """
    comment = file_format.comment.encode()
    if comment and (chunk.startswith(comment) or b"\n" + comment in chunk):
        raise _UnusualError
    if b"\0" in chunk:
        raise _UnusualError
    quote = COPY_QUOTE.encode()
    if quote in chunk:
        # Every other piece lies outside quotes: it begins and ends where a value does, or is
        # nothing at all, between two quotes that stand for one.
        pieces = chunk.split(quote)
        outside = pieces[::2]
        edges = {piece[-1:] for piece in outside[:-1]} | {piece[:1] for piece in outside[1:]}
        delimiter = file_format.delimiter.encode()
        if len(pieces) % 2 == 0 or not edges <= {b"", b"\r", b"\n", delimiter}:
            raise _UnusualError
    return chunk.count(b"\n") + (not chunk.endswith(b"\n"))


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yields the rest of a file in chunks that end where a line does."""
    rest = b""
    while chunk := file.read(CHUNK_BYTES):
        end = chunk.rfind(b"\n") + 1
        if not end:
            rest += chunk
            if len(rest) > _HEADER_LIMIT * 16:
                raise _UnusualError
            continue
        yield rest + chunk[:end]
        rest = chunk[end:]
    if rest:
        yield rest


def _refuse_other_encodings(file: BinaryIO, where: str, file_format: Format) -> int:
    """Reads past a byte order mark; returns how long it is."""
    first = file.read(4)
    if not first:
        raise LoadError(f"{where}: is empty, not even a header line")
    start = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
    declared = codecs.lookup(file_format.encoding).name
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if first.startswith(mark) and not declared.startswith(encoding):
            raise LoadError(f"{where}: is {encoding}, but {file_format.encoding} was declared")
    file.seek(start)
    return start


def _parse_header(line: bytes, file_format: Format) -> list[str]:
    """Returns the names in a header of one line; others must be read carefully."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _UnusualError from error
    if not line.endswith(b"\n") or b"\r" in line.removesuffix(b"\r\n") or not text.strip():
        raise _UnusualError
    if file_format.comment and text.startswith(file_format.comment):
        raise _UnusualError
    if text.count(file_format.quote) % 2:
        raise _UnusualError
    return next(csv.reader([text], delimiter=file_format.delimiter, quotechar=file_format.quote))


def open_text(path: Path, file_format: Format) -> TextIO:
    """Opens a file so that its lines end where those of its kind do, and no byte is lost."""
    encoding = codecs.lookup(file_format.encoding).name
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    with path.open(encoding=encoding, newline="", errors="extract.escape_bytes") as text:
        start = text.read(_HEADER_LIMIT)
    # Files of old Macs have carriage returns alone; in all others one is part of a value.
    newline = "\r" if "\n" not in start and "\r" in start else "\n"
    return path.open(encoding=encoding, newline=newline, errors="extract.escape_bytes")


def read_header(text: TextIO, where: str, feed: Feed) -> tuple[list[str], int]:
    """Returns the names of the columns, and how many lines they took."""
    file_format = feed.format
    with Path(text.name).open("rb") as file:
        _refuse_other_encodings(file, where, file_format)
    if not file_format.header:
        return list(feed.columns), 0
    lines = 0
    content = ""
    while not content.strip() or content.count(file_format.quote) % 2:
        line = text.readline(_HEADER_LIMIT)
        if not line or len(content) > _HEADER_LIMIT:
            break
        lines += 1
        if not content and file_format.comment and line.startswith(file_format.comment):
            continue
        content = line if not content.strip() else content + line
    if not content.strip():
        raise LoadError(f"{where}: is empty, not even a header line")
    try:
        content.encode("utf-8")
    except UnicodeEncodeError as error:
        raise LoadError(
            f"{where}: line {lines} is not {file_format.encoding}: {printable(content)}"
        ) from error
    rows = csv.reader(
        io.StringIO(content, newline=""),
        delimiter=file_format.delimiter,
        quotechar=file_format.quote,
    )
    return next(rows), lines


def raw_columns(header: list[str], where: str, feed: Feed) -> tuple[str, ...]:
    """Returns the names of a header's columns in raw: dlt's snake_case."""
    missing = [name for name in feed.columns if name not in header]
    if missing:
        new = _new(header, feed)
        raise LoadError(
            f"{where}: column {', '.join(missing)} is missing (declared for feed {feed.name} in "
            f"extract/sources.yml); "
            + (f"new in the header: {', '.join(new)}" if new else "the header has no new column")
        )
    columns: dict[str, str] = {}
    for name, column in zip(header, raw_names(header), strict=True):
        if not name.strip():
            raise LoadError(f"{where}: column {header.index(name) + 1} of the header has no name")
        if column in columns:
            raise LoadError(
                f"{where}: column {name} is there twice"
                + (f" (as {columns[column]} too)" if columns[column] != name else "")
            )
        if column in LINEAGE:
            raise LoadError(f"{where}: column {name} has a name that is kept for lineage")
        columns[column] = name
    return tuple(columns)


def raw_names(names: Iterable[str]) -> list[str]:
    """Returns the names that columns have in raw: dlt's snake_case, none longer than 63 bytes."""
    # Imported late: with it comes half a second of dlt that a run with nothing to load can save.
    from dlt.common.normalizers.naming.snake_case import NamingConvention

    naming = NamingConvention(max_length=63)
    return [naming.normalize_identifier(name) if name.strip() else "" for name in names]


def _new(header: list[str], feed: Feed) -> tuple[str, ...]:
    return tuple(name for name in header if name not in feed.columns)
