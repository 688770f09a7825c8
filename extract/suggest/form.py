"""How an unknown file is written: encoding, delimiter, header, from its bytes and first records."""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from common.errors import LoadError
from extract.declaration import Feed, Format
from extract.reader import BYTE_ORDER_MARKS, LINE_LIMIT, CsvFile, raw_names, read_fields

# So many records tell the delimiter and the header.
SAMPLE = 1000
# Of two that split a file alike, the earlier one: a comma may be that of a decimal number.
DELIMITERS = {"\t": "tab", "|": "pipe", ";": "semicolon", ",": "comma"}
COMMENTS = "#%|!*"
_JSON = "JSON: convert it to CSV (pages of an API are declared by hand: docs/add-a-feed.md)"
_SIGNATURES = {
    b"PK\x03\x04": "a zip file or a workbook: unpack it, or save its sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an old Office file: save its sheet as CSV",
    b"\x1f\x8b": "a file compressed by gzip: unpack it",
    b"PAR1": "Parquet: export it as CSV",
    b"%PDF": "a PDF: ask for its tables as CSV",
    b"{": _JSON,
    b"[": _JSON,
    b"<": "HTML or XML: ask for its tables as CSV",
}
_TYPED = re.compile(r"[+-]?\d*[.,]?\d+(?:[eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*|\d\d?[/.]\d\d?[/.]\d+")


@dataclass
class Form:
    """How a file is written and what its columns are called; what was seen for and against it."""

    format: Format = field(default_factory=Format)
    columns: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def set(self, seen: str, **format_values: object) -> None:
        """Notes a part of the format, and why it is so."""
        self.format = self.format.model_copy(update=format_values)
        self.seen.append(seen)


def guess_form(path: Path, where: str) -> Form:
    """Returns how a file is written.

    Raises LoadError, which says what to do, if it is empty, no text or no table.
    """
    form = Form()
    _guess_encoding(form, path, where)
    _guess_delimiter(form, path, where)
    (line, first), *others = _sample(form.format, path, where)
    if not first:
        raise LoadError(f"{where}: its first line is no record: {line.strip()[:80]!r}; correct it")
    if _has_header(form, first, [values for _, values in others]):
        form.columns = first
        _take_names(form, path, where, line)
    else:
        form.columns = [f"column_{place}" for place in range(1, len(first) + 1)]
        form.doubts.append("columns have no names: write what they hold in place of column_1, …")
    return form


def _sample(form: Format, path: Path, where: str) -> list[tuple[str, list[str]]]:
    return list(islice(read_fields(path, where, form), SAMPLE))


def _guess_encoding(form: Form, path: Path, where: str) -> None:
    good, bad, high, bad_line, bad_word = 0, 0, set[int](), 0, b""
    with path.open("rb") as file:
        start = file.read(64)
        text = start.removeprefix(codecs.BOM_UTF8).lstrip()
        for signature, what in _SIGNATURES.items():
            if text.startswith(signature):
                raise LoadError(f"{where}: looks like {what}")
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if start.startswith(mark):
                return form.set(f"encoding {encoding}, by its byte order mark", encoding=encoding)
        file.seek(0)
        for number, line in enumerate(iter(lambda: file.readline(LINE_LIMIT), b""), start=1):
            if b"\0" in line:
                raise LoadError(
                    f"{where}: line {number} holds NUL bytes, so it is binary, or UTF-16 without a "
                    "byte order mark: save it as UTF-8"
                )
            try:
                good += not line.decode().isascii()
            except UnicodeDecodeError as error:
                if not bad:
                    words = re.finditer(rb"[\w\x80-\xff]+", line)
                    bad_word = next(word[0] for word in words if word.end() > error.start)
                    bad_line = number
                bad += 1
                high |= set(line)
    if bad and good <= bad:
        # cp1252 has letters where latin-1 has control characters, and five holes.
        is_windows = high & {*range(0x80, 0xA0)} and not high & {0x81, 0x8D, 0x8F, 0x90, 0x9D}
        encoding = "cp1252" if is_windows else "latin-1"
        seen = f"by {encoding} it has {bad_word[:40].decode(encoding)!r}"
        form.doubts.append(f"line {bad_line:,} is not UTF-8; {seen}")
        return form.set(f"encoding {encoding}", encoding=encoding)
    if bad:
        form.doubts.append(f"{bad:,} lines are not UTF-8 and are rejected, the first: {bad_line:,}")
    has_mark = start.startswith(codecs.BOM_UTF8)
    return form.set("encoding utf-8" + (", with a byte order mark" if has_mark else ""))


def _guess_delimiter(form: Form, path: Path, where: str) -> None:
    """Takes what splits most records into as many fields as the first one."""
    best: tuple[float, int, Format, str] = (0, 1, form.format, "")
    for delimiter, name in DELIMITERS.items():
        found = form.format.model_copy(update={"delimiter": delimiter})
        sample = _sample(found, path, where)
        if not sample:
            raise LoadError(f"{where}: is empty: give a file with a header or rows")
        width, count = Counter(len(values) for _, values in sample).most_common(1)[0]
        share, mark = count / len(sample), sample[0][0][0]
        if mark in COMMENTS and len(sample[0][1]) != width:
            found = found.model_copy(update={"comment": mark})
            sample = [each for each in sample if not each[0].startswith(mark)] or sample
        names = sample[0][1]
        if len(names) != width:
            # Each row has more fields than the header has names: they are of the last column.
            is_rest = (
                1 < len(names) <= min(len(values) for _, values in sample)
                and not any(map(_TYPED.fullmatch, names))
                and not any('"' in line for line, _ in sample)
            )
            found = found.model_copy(update={"last_column_takes_rest": is_rest})
            share *= 0.9 if is_rest else 0.4
        if width > 1 and (round(share, 1), width) > best[:2]:
            seen = f"{width} fields by {name} in {count:,} of the first {len(sample):,} records"
            best = (round(share, 1), width, found, f"{seen}, {len(names)} in the first one")
    share, width, form.format, seen = best
    if width == 1:
        words = [line.split() for line, _ in _sample(form.format, path, where)]
        (width, count), *_ = Counter(map(len, words)).most_common(1)
        if width > 1 and count > 0.9 * len(words) and _TYPED.fullmatch(words[-1][-1]):
            raise LoadError(
                f"{where}: has columns that spaces separate, which loads do not read: convert it "
                "to CSV"
            )
        return form.doubts.append("one column: no tab, pipe, semicolon or comma splits the records")
    if share < 0.5:
        raise LoadError(
            f"{where}: is no table: {seen}; remove what stands above the header, or declare it by "
            "hand: docs/add-a-feed.md"
        )
    form.seen.append(seen)
    if form.format.comment:
        form.seen.append(f"lines that begin with {form.format.comment} are comments")
    if form.format.last_column_takes_rest:
        form.doubts.append("rows have more fields than the header: the last column takes the rest")
    _, *rows = _sample(form.format, path, where)
    for column in zip(*(values for _, values in rows if len(values) == width), strict=True):
        filled = [value for value in column if value.strip()]
        if filled and all(len(each) > 1 and each[0] == each[-1] == "'" for each in filled):
            return form.set("quote ', around all values of a column", quote="'")
    return None


def _has_header(form: Form, first: Sequence[str], others: Sequence[list[str]]) -> bool:
    """Looks whether the first record is of another kind than those below it."""
    names = [name.strip() for name in first]
    typed = [name for name in names if _TYPED.fullmatch(name)]
    years = [int(name) for name in typed if re.fullmatch(r"(?:19|20)\d\d", name)]
    are_years = 1 < len(years) == len(typed) and years == [*range(years[0], years[-1] + 1)]
    if not any(names) or (typed and not are_years):
        form.set(f"no header: {(typed or names)[0]!r} is in the first record", header=False)
        return False
    for place, name in enumerate(names):
        below = [values[place].strip() for values in others if place < len(values)]
        filled = [value for value in below if value]
        if not _TYPED.fullmatch(name) and filled and all(map(_TYPED.fullmatch, filled)):
            form.set(f"header: {name!r} stands above numbers or dates")
            return True
        if name and name in filled:
            form.set(f"no header: {name!r} of the first record occurs below it too", header=False)
            return False
    form.doubts.append("that the first record is a header is a guess: all columns are text")
    return True


def _take_names(form: Form, path: Path, where: str, line: str) -> None:
    """Has the loader read the header; one that it refuses is skipped as if it were a comment."""
    names = form.columns
    known = tuple(dict.fromkeys(name for name in names if name.strip()))
    try:
        CsvFile.open(path, where, Feed(name="f", file=("f",), columns=known, format=form.format))
    except LoadError as error:
        if form.format.comment or any("\n" in name for name in names):
            raise
        form.columns = []
        for place, name in enumerate(raw_names(name.strip() or "column" for name in names), 1):
            is_free = names[place - 1].strip() and name not in form.columns and name[0] != "_"
            form.columns.append(name if is_free else f"{name.strip('_')}_{place}")
        form.set("header skipped as a comment", header=False, comment=line.rstrip("\r\n"))
        reason = str(error).removeprefix(f"{where}: ").rpartition(":")[0]
        form.doubts.append(f"{reason}: it got a name of its own")
