"""Reads delimited text record by record and says of each that it is whole, or what is wrong.

Slow and careful: it is for the files that PostgreSQL's COPY would refuse or misread. The rules are
those of RFC 4180; a quote counts where a field begins with it. After a broken line, reading goes on
with the next line, so one stray quote costs one line and not the rest of the file.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from common.errors import LoadError
from extract.declaration import Format

# A line longer than this is not read into memory; a quoted value that goes on for longer is taken
# to lack its closing quote.
LINE_LIMIT = 1 << 24
RECORD_LIMIT = 1 << 20
# What decoding with errors="surrogateescape" or `escape_bytes` makes of bytes that are no text.
_NO_TEXT = re.compile("[\0\udc80-\udcff]")


@dataclass(frozen=True)
class Record:
    """One record: `line` is the number of its first line, `row` its place among records, from 1."""

    line: int
    row: int
    values: list[str]


@dataclass(frozen=True)
class Broken:
    """A line that is no record, as it stands in the file, and why."""

    line: int
    row: int
    content: str
    reason: str


def read_records(
    text: TextIO, file_format: Format, width: int, line: int = 0
) -> Iterator[Record | Broken]:
    """Yields what follows in `text`, of which `line` lines were read: records of `width` values.

    Blank lines and comments are neither. Raises LoadError for a line beyond LINE_LIMIT.
    """
    splitter = _Splitter(file_format, width)
    lines = _Lines(text, line)
    row = 0
    while (first := lines.next()) is not None:
        number, content = first
        if not content.strip(" \r\n"):
            continue
        if file_format.comment and content.startswith(file_format.comment):
            continue
        row += 1
        reason = _no_text(content, file_format)
        values: list[str] = []
        if not reason:
            values, reason = _read_one(splitter, lines, content)
        if reason:
            yield Broken(number, row, printable(content), reason)
        else:
            yield Record(number, row, values)


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


class _Lines:
    """The file's lines with their numbers, and back again those that a record did not need."""

    def __init__(self, text: TextIO, line: int) -> None:
        self._text = text
        self._number = line
        self._again: deque[tuple[int, str]] = deque()

    def next(self) -> tuple[int, str] | None:
        if self._again:
            return self._again.popleft()
        content = self._text.readline(LINE_LIMIT)
        if not content:
            return None
        self._number += 1
        if len(content) == LINE_LIMIT:
            raise LoadError(f"line {self._number} is longer than {LINE_LIMIT} characters")
        return self._number, content

    def put_back(self, lines: list[tuple[int, str]]) -> None:
        self._again.extendleft(reversed(lines))


def _read_one(splitter: "_Splitter", lines: _Lines, content: str) -> tuple[list[str], str]:
    """Returns the values of the record that begins with this line, or the reason why it is none.

    A record of several lines that turns out broken gives back all lines but its first.
    """
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

    def __init__(self, file_format: Format, width: int) -> None:
        self.quote = file_format.quote
        self._delimiter = file_format.delimiter
        self._takes_rest = file_format.last_column_takes_rest
        self._width = width
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
        if len(values) != self._width:
            return [], f"{len(values)} fields instead of {self._width}"
        return values, ""

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


def _no_text(content: str, file_format: Format) -> str:
    found = _NO_TEXT.search(content)
    if not found:
        return ""
    if found[0] == "\0":
        return "holds a NUL character (0x00)"
    return f"is not {file_format.encoding} (byte 0x{ord(found[0]) & 0xFF:02x})"


def _without_end(content: str) -> str:
    if content.endswith("\r\n"):
        return content[:-2]
    return content[:-1] if content.endswith(("\n", "\r")) else content
