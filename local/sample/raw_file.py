"""The raw format: UTF-8 with BOM, `;`, CRLF, literal NULL, decimal comma, padded char codes."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from random import Random

NULL = "NULL"
CRLF = "\r\n"

# Rows joined into one write: large enough to be fast, small enough to weigh nothing in memory.
_CHUNK = 200
_MASK_48 = (1 << 48) - 1


class RawFile:
    """One file of the bucket, written in chunks and counting its rows."""

    def __init__(self, folder: Path, path: str, header: str, plain: bool = False) -> None:
        """Create `folder`/`path` and write its header line; `path` uses forward slashes.

        A `plain` file has neither byte order mark nor carriage returns.
        """
        self.path = path
        self.rows = 0
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        self._file = target.open("wb")
        line = f"{header}\n" if plain else f"\N{BYTE ORDER MARK}{header}{CRLF}"
        self._file.write(line.encode())

    def write(self, rows: list[str]) -> None:
        """Append finished lines (each with its end)."""
        self.rows += len(rows)
        self._file.write("".join(rows).encode())

    def write_all(self, rows: Iterable[str]) -> None:
        """Append finished lines from an iterable of any length, holding one chunk at a time."""
        iterator = iter(rows)
        while chunk := list(islice(iterator, _CHUNK)):
            self.write(chunk)

    def close(self) -> None:
        """Close the file; closing it again does nothing."""
        self._file.close()


class Guids:
    """Row guids: upper case, unique within a file, much cheaper than random ones.

    `heads[n & 255] + tail(n)` is the guid of record n; hot loops inline it. The tail is a
    bijection of the record number (an odd factor modulo 2^48), hence unique.
    """

    FACTOR = 0x5DEECE66D6B5
    MASK = _MASK_48

    def __init__(self, seed: int) -> None:
        """Draw the 256 heads of one file from `seed`."""
        bits = Random(seed).getrandbits
        self.heads = [
            f"{bits(32):08X}-{bits(16):04X}-4{bits(12):03X}-{8 + bits(2):X}{bits(12):03X}-"
            for _ in range(256)
        ]

    def of(self, number: int) -> str:
        """Guid of record `number` (any integer from 0)."""
        return f"{self.heads[number & 255]}{number * self.FACTOR & self.MASK:012X}"


def money(amount: int) -> str:
    """Text of an amount in 1/10000 units: decimal comma, two to four decimals (`985,018`)."""
    whole, rest = divmod(amount, 10_000)
    if rest % 100 == 0:
        return f"{whole},{rest // 100:02d}"
    return f"{whole},{rest:04d}".rstrip("0")


def text(value: str | None) -> str:
    """Text of a nullable value: NULL, quoted only where the format needs it."""
    if value is None:
        return NULL
    if '"' in value or ";" in value or value != value.strip():
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return value
