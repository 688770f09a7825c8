"""Sample files, and AdventureWorks' format: BOM, `;`, CRLF, NULL, decimal comma, padded codes."""

from collections.abc import Iterable
from pathlib import Path
from random import Random

NULL = "NULL"
CRLF = "\r\n"

_MASK_48 = (1 << 48) - 1


class RawFile:
    """One file of the bucket, in UTF-8, counting its rows."""

    def __init__(self, folder: Path, path: str, start: str = "", end: str = "") -> None:
        """Create `folder`/`path` (with forward slashes); `start` and `end` are around its rows."""
        self.path = path
        self.rows = 0
        self._end = end
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        self._file = target.open("wb")
        self._file.write(start.encode())

    def write(self, row: str) -> None:
        """Append a finished line (with its line end)."""
        self.rows += 1
        self._file.write(row.encode())

    def write_all(self, rows: Iterable[str]) -> None:
        """Append finished lines from an iterable of any length."""
        for row in rows:
            self.write(row)

    def close(self) -> None:
        """Write the end and close the file; closing it again does nothing."""
        if not self._file.closed:
            self._file.write(self._end.encode())
            self._file.close()


def header(names: str) -> str:
    """Start of a file of AdventureWorks: a byte order mark and the header line."""
    return f"\N{BYTE ORDER MARK}{names}{CRLF}"


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
        escaped = value.replace('"', '""')
        return f'"{escaped}"'
    return value
