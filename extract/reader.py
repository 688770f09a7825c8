"""Reads delimited text: the header of any file, and the records of unusual ones.

PostgreSQL's COPY parses and validates normal files: `PlainLines` hands them over as they are, and
notices where COPY would misread them. Files that it would refuse or misread are parsed here record
by record (RFC 4180; a quote counts where a field begins with it): a broken line becomes a rejected
record, and reading continues with the next line: one stray quote costs one line, not the file.
"""

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from common.errors import LoadError
from extract.declaration import Feed, Format

# A line longer than this is not read into memory; a longer quoted value is taken
# to lack its closing quote.
LINE_LIMIT = 1 << 24
RECORD_LIMIT = 1 << 20
_HEADER_LIMIT = 1 << 20
# What COPY is told to take for a quote, whatever the file has.
COPY_QUOTE = '"'
# Columns of raw tables beside the file's own.
FILE_ID, SOURCE_FILE, LINE, ROW = "_file_id", "_source_file", "_source_line", "_source_row"
LOAD_ID, LOADED_AT, IS_CHANGE = "_load_id", "_loaded_at", "_is_change"
LINEAGE = (FILE_ID, SOURCE_FILE, LINE, ROW, LOAD_ID, LOADED_AT, IS_CHANGE)
# PostgreSQL takes 1,600.
_MOST_COLUMNS = 1600 - len(LINEAGE)
_SYSTEM_COLUMNS = ("ctid", "tableoid", "xmin", "xmax", "cmin", "cmax")
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What decoding with errors="surrogateescape" or `escape_bytes` makes of bytes that are no text.
_NO_TEXT = re.compile("[\0\udc80-\udcff]")


@dataclass(frozen=True)
class Record:
    """One record: `line` is the number of its first line, `row` its place among records, from 1.

    If it is rejected, `reason` says why, and `content` is the line as it stands in the file.
    """

    line: int
    row: int
    values: list[str]
    content: str = ""
    reason: str = ""


@dataclass(frozen=True)
class CsvFile:
    """A downloaded file whose header was read.

    `columns` are its columns' names in raw, `new_columns` the header's names beyond the declared
    ones, `header_lines` how many lines come before the first record. `where` names it in messages.
    """

    path: Path
    where: str
    feed: Feed
    columns: tuple[str, ...]
    new_columns: tuple[str, ...]
    header_lines: int

    @classmethod
    def open(cls, path: Path, where: str, feed: Feed) -> "CsvFile":
        """Reads the header; raises LoadError for a wrong encoding, or names that cannot be."""
        header, lines = list(feed.columns), 0
        with _open_text(path, where, feed.format) as text:
            if feed.format.header:
                header, lines = _read_header(_Lines(text, where), where, feed.format)
        new = tuple(name for name in header if name not in feed.columns)
        return cls(path, where, feed, _raw_columns(header, new, where, feed), new, lines)

    @property
    def is_plain(self) -> bool:
        """Whether COPY may take it as it is, unless `PlainLines` finds it misread."""
        file_format = self.feed.format
        return (
            file_format.is_utf8
            and file_format.quote == COPY_QUOTE
            and not file_format.last_column_takes_rest
            # COPY takes blank lines for NULL in a single column, and `\.` for the file's end.
            and len(self.columns) > 1
        )

    def records(self) -> Iterator[Record]:
        """Yields all records, rejected ones too. Blank lines and comments are none.

        Raises LoadError for a line beyond LINE_LIMIT.
        """
        feed, splitter = self.feed, _Splitter(self.feed.format, len(self.columns))
        with _open_text(self.path, self.where, feed.format) as text:
            lines = _Lines(text, self.where)
            for _ in range(self.header_lines):
                lines.next()
            for row, (number, content) in enumerate(lines.with_content(feed.format), start=1):
                values, reason = _read_one(splitter, lines, content)
                yield Record(number, row, values, printable(content), reason)


class PlainLines:
    """A plain file's lines after the header, in chunks, for COPY to read.

    COPY refuses other numbers of fields, blank lines, mixed line ends and bytes that are no UTF-8.
    But it takes any quote for one that opens or closes a value, wherever it stands; where that is
    wrong, `is_misread` is set and reading ends with an error.
    """

    def __init__(self, file: CsvFile, content: BinaryIO) -> None:
        self.lines = 0
        self._content = content
        self._format = file.feed.format
        header = [content.readline() for _ in range(file.header_lines)]
        # Carriage returns alone may end the lines: this was more than the header.
        self.is_misread = any(b"\r" in line.rstrip(b"\r\n") for line in header)
        if not header and content.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            content.seek(0)

    def read(self, size: int) -> bytes:
        """Returns the next lines, about `size` bytes of them; b"" at the end."""
        chunk = self._content.read(size) + self._content.readline(LINE_LIMIT)
        self.is_misread = self.is_misread or self._would_be_misread(chunk)
        if self.is_misread:
            raise ValueError("not plain")
        self.lines += chunk.count(b"\n") + (bool(chunk) and not chunk.endswith(b"\n"))
        return chunk

    def _would_be_misread(self, chunk: bytes) -> bool:
        comment = self._format.comment.encode()
        if comment and (chunk.startswith(comment) or b"\n" + comment in chunk):
            return True
        # Reading it record by record tells what is wrong with a line that is too long.
        if b"\0" in chunk or len(chunk) > LINE_LIMIT:
            return True
        quote = COPY_QUOTE.encode()
        if quote not in chunk:
            return False
        # Every other piece lies outside quotes: it begins and ends where a value does, or is
        # nothing at all, between two quotes that stand for one.
        pieces = chunk.split(quote)
        outside = pieces[::2]
        edges = {piece[-1:] for piece in outside[:-1]} | {piece[:1] for piece in outside[1:]}
        delimiter = self._format.delimiter.encode()
        return len(pieces) % 2 == 0 or not edges <= {b"", b"\r", b"\n", delimiter}


def read_fields(path: Path, where: str, file_format: Format) -> Iterator[tuple[str, list[str]]]:
    """Yields each record of a file whose columns nobody knows yet, the header too.

    That is its first line, and its values, however many; none of a record that is broken.
    """
    with _open_text(path, where, file_format) as text:
        lines, splitter = _Lines(text, where), _Splitter(file_format)
        for _, content in lines.with_content(file_format):
            yield content, _read_one(splitter, lines, content)[0]


def _open_text(path: Path, where: str, file_format: Format) -> TextIO:
    """Opens a file so that its lines end where those of its kind do, and no byte is lost.

    Raises LoadError if a byte order mark tells of another encoding than declared.
    """
    declared = codecs.lookup(file_format.encoding).name
    with path.open("rb") as file:
        start = file.read(_HEADER_LIMIT)
    if not start:
        raise LoadError(f"{where}: is empty, not even a header line: deliver it again")
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark) and not declared.startswith(encoding):
            raise LoadError(
                f"{where}: is {encoding}, but {file_format.encoding} was declared: correct that in "
                "extract/sources.yml"
            )
    encoding = "utf-8-sig" if declared == "utf-8" else declared
    text = start.decode(encoding, errors="extract.escape_bytes")
    # Files of old Macs have carriage returns alone; in all others one is part of a value.
    newline = "\r" if "\n" not in text and "\r" in text else "\n"
    return path.open(encoding=encoding, newline=newline, errors="extract.escape_bytes")


def _read_header(lines: "_Lines", where: str, file_format: Format) -> tuple[list[str], int]:
    """Returns the names of the columns, and how many lines they took."""
    number, content = next(lines.with_content(file_format), (0, ""))
    if not content:
        raise LoadError(f"{where}: is empty, not even a header line: deliver it again")
    names, reason = _read_one(_Splitter(file_format), lines, content)
    if reason:
        raise LoadError(
            f"{where}: line {number}, the header, {reason}: {printable(content)[:200]}; correct it"
        )
    return names, lines.number


def _raw_columns(
    header: list[str], new: tuple[str, ...], where: str, feed: Feed
) -> tuple[str, ...]:
    """Returns the names of a header's columns in raw: dlt's snake_case."""
    missing = [name for name in feed.columns if name not in header]
    if missing:
        raise LoadError(
            f"{where}: column {', '.join(missing)} is missing (declared for feed {feed.name} in "
            "extract/sources.yml); "
            + (f"new in the header: {', '.join(new)}" if new else "the header has no new column")
            + "; correct the file, or the entry"
        )
    if len(header) > _MOST_COLUMNS:
        raise LoadError(f"{where}: has {len(header)} columns, more than {_MOST_COLUMNS}: split it")
    columns: dict[str, str] = {}
    for place, name in enumerate(header, start=1):
        if not name.strip():
            raise LoadError(f"{where}: column {place} of the header has no name: name it")
        (column,) = raw_names((name,))
        if column in columns:
            raise LoadError(
                f"{where}: column {name} is duplicated"
                + (f" (as {columns[column]} too)" if columns[column] != name else "")
                + ": rename one"
            )
        if column in LINEAGE or column.startswith("_dlt"):
            raise LoadError(f"{where}: column {name} is a name that is kept for lineage: rename it")
        if column in _SYSTEM_COLUMNS:
            raise LoadError(
                f"{where}: column {name} is a name that PostgreSQL keeps for itself: rename it"
            )
        columns[column] = name
    return tuple(columns)


def raw_names(names: Iterable[str]) -> list[str]:
    """Returns the names that columns have in raw: dlt's snake_case, none longer than 63 bytes."""
    # Imported late: with it comes a second of dlt that a run with nothing to load can save.
    from dlt.common.normalizers.naming.snake_case import NamingConvention

    naming = NamingConvention(max_length=63)
    return [naming.normalize_identifier(name) for name in names]


def printable(content: str) -> str:
    r"""Returns text that PostgreSQL stores: bytes that are none become `\xff`, NUL `\x00`."""
    line = content.rstrip("\r\n").replace("\0", "\\x00")
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def escape_bytes(error: UnicodeError) -> tuple[str, int]:
    """Marks what cannot be decoded as surrogateescape does, for any encoding."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    escaped = (chr(0xDC00 | byte | 0x80) for byte in error.object[error.start : error.end])
    return "".join(escaped), error.end


codecs.register_error("extract.escape_bytes", escape_bytes)


class _Lines:
    """The file's lines with their numbers, and back again those that a record did not need."""

    def __init__(self, text: TextIO, where: str) -> None:
        self._text = text
        self._where = where
        self.number = 0
        self._again: deque[tuple[int, str]] = deque()

    def next(self) -> tuple[int, str] | None:
        if self._again:
            return self._again.popleft()
        content = self._text.readline(LINE_LIMIT)
        if not content:
            return None
        self.number += 1
        if len(content) == LINE_LIMIT:
            raise LoadError(
                f"{self._where}: line {self.number} is longer than {LINE_LIMIT} characters: "
                "correct it"
            )
        return self.number, content

    def with_content(self, file_format: Format) -> Iterator[tuple[int, str]]:
        """Yields those that are neither blank nor a comment."""
        while line := self.next():
            is_comment = file_format.comment and line[1].startswith(file_format.comment)
            if not is_comment and line[1].strip(" \r\n"):
                yield line

    def put_back(self, lines: list[tuple[int, str]]) -> None:
        self._again.extendleft(reversed(lines))


def _read_one(splitter: "_Splitter", lines: _Lines, content: str) -> tuple[list[str], str]:
    """Returns the values of the record that begins with this line, or the reason why it is none.

    A record of several lines that turns out broken gives back all lines but its first.
    """
    if reason := splitter.no_text(content):
        return [], reason
    values, reason = splitter.split(_without_end(content))
    more: list[tuple[int, str]] = []
    while reason == _UNCLOSED and len(content) < RECORD_LIMIT:
        following = lines.next()
        if following is None:
            break
        more.append(following)
        content += following[1]
        if splitter.quote in following[1]:
            values, reason = splitter.split(_without_end(content))
    if not reason and more and _NO_TEXT.search(content):
        reason = "a value over several lines holds bytes that are no text"
    if reason:
        lines.put_back(more)
    return values, reason


_UNCLOSED = "a quote is not closed"


class _Splitter:
    """Splits a record into its values."""

    def __init__(self, file_format: Format, width: int | None = None) -> None:
        """Takes no `width` for a header, which may have as many names as it likes."""
        self.quote = file_format.quote
        self._encoding = file_format.encoding
        self._delimiter = file_format.delimiter
        self._takes_rest = file_format.last_column_takes_rest and width is not None
        self._width = width or 0
        quote = re.escape(self.quote)
        # Possessive, so that it takes linear time on whatever it is given.
        self._quoted = re.compile(f"(?:[^{quote}]++|{quote}{quote})*+")

    def split(self, record: str) -> tuple[list[str], str]:
        """Returns the values, and why they are no record, if they are none."""
        if self.quote not in record:
            values = record.split(self._delimiter, self._width - 1 if self._takes_rest else -1)
        else:
            values, reason = self._split_quoted(record)
            if reason:
                return [], reason
        if self._width and len(values) != self._width:
            return [], f"{len(values)} fields instead of {self._width}"
        return values, ""

    def no_text(self, content: str) -> str:
        """Returns why a line cannot be stored as text, if it cannot."""
        found = _NO_TEXT.search(content)
        if not found:
            return ""
        if found[0] == "\0":
            return "holds a NUL character (0x00)"
        return f"is not {self._encoding} (byte 0x{ord(found[0]) & 0xFF:02x})"

    def _split_quoted(self, record: str) -> tuple[list[str], str]:
        values: list[str] = []
        place = 0
        while True:
            last = self._takes_rest and len(values) == self._width - 1
            if record.startswith(self.quote, place):
                match = self._quoted.match(record, place + 1)
                # It matches an empty value too.
                end = match.end() if match else place + 1
                if end == len(record):
                    return [], _UNCLOSED
                value = record[place + 1 : end].replace(self.quote * 2, self.quote)
                end += 1
                if end < len(record) and record[end] != self._delimiter:
                    return [], "text follows a closing quote"
            else:
                end = record.find(self._delimiter, place)
                end = len(record) if last or end < 0 else end
                value = record[place:end]
            values.append(value)
            if end == len(record):
                return values, ""
            place = end + 1


def _without_end(content: str) -> str:
    if content.endswith("\r\n"):
        return content[:-2]
    return content[:-1] if content.endswith(("\n", "\r")) else content
