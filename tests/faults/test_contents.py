"""Whatever bytes a file holds, a load takes it or names it and says why not. FILES=N tries more."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import FileError
from common.warehouse import Warehouse
from extract.declaration import Source, read_sources
from extract.drops import Drops
from extract.load import load

FILES = int(os.environ.get("FILES", "200"))

DECLARATION = """
sources:
  homes:
    description: Homes
    drops: true
    feeds:
      people:
        file: "*.csv"
        columns: [name, house]
        max_rejected: 100%
        min_share: 0%
"""
GOOD = b'name,house,extra\r\nAnna,1,x\r\n"Bo ""B"", jr",2,"two\r\nlines"\r\n'
PIECES = [
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1a", b"\\.", b"\\.\n"),
    *(b'"', b'""', b"'", b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\n\n\n", b" ", b"\x0b\x85"),
    *(b"name", b"NAME", b"house", b"_load_id", b"ctid", b"_dlt_id", b"x" * 70_000, b'"' * 1001),
    *(b"," * 1700, b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"!!!", b"1e400", b"%s"),
    *(b"\n".join([b"a,b,c"] * 3000), b"c," * 400, b"drop table x;--", b"\xc2", b"\x80" * 9),
]  # fmt: skip


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    path = tmp_path / "sources.yml"
    path.write_text(DECLARATION)
    (tmp_path / "homes").mkdir()
    monkeypatch.setenv("HOMES_BUCKET_URL", str(tmp_path / "homes"))
    return read_sources(path)["homes"]


def mutated(chance: random.Random) -> bytes:
    """A good file with pieces put into it, or cut out of it, mostly near its header."""
    content = bytearray(GOOD)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(min(len(content) + 1, chance.choice([20, 10_000])))
        kind = chance.randrange(4)
        if kind == 0:
            del content[place : place + chance.randint(1, 30)]
        elif kind == 1:
            content[place:place] = chance.randbytes(chance.randint(1, 30))
        else:
            content[place:place] = chance.choice(PIECES)
        if not content:
            break
    if chance.random() < 0.1:
        text = content.decode("utf-8", "replace")
        return text.encode(chance.choice(["utf-16", "utf-16-le", "utf-32", "latin-1"]), "replace")
    return bytes(content)


def test_no_bytes_raise_anything_but_an_error_that_names_the_file(
    source: Source, warehouse: Warehouse, tmp_path: Path
) -> None:
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    reasons: list[str] = []
    for number in range(FILES):
        path = tmp_path / "homes" / f"{number}.csv"
        path.write_bytes(mutated(chance))
        try:
            load(source, warehouse)
        except FileError as error:
            reasons.append(str(error))
        except BaseException as error:
            error.add_note(f"SEED={seed}, file {number}")
            raise
        path.unlink()
    assert FILES / 20 < len(reasons) < FILES * 0.95
    assert [each for each in reasons if not each.startswith(str(tmp_path / "homes"))] == []


def test_no_bytes_stay_where_they_were_dropped(
    source: Source, warehouse: Warehouse, tmp_path: Path
) -> None:
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    folder = tmp_path / "homes"
    for number in range(max(10, FILES // 20)):
        (folder / f"{number}.csv").write_bytes(mutated(chance))
    drops = Drops(source, warehouse, 0)
    drops.poll()
    for drop in drops.poll():
        assert drop.moved_to, f"SEED={seed}, {drop}"
    assert list(folder.glob("*.csv")) == []
    reasons = {path.name.removesuffix(".txt") for path in (folder / "error").glob("*.txt")}
    assert reasons == {path.name for path in (folder / "error").glob("*.csv")}


def test_utf_16_without_a_mark_is_a_clear_error(
    source: Source, tmp_path: Path, warehouse: Warehouse, query: Callable[[str], object]
) -> None:
    (tmp_path / "homes" / "a.csv").write_bytes("name,house\nAnna,1\n".encode("utf-16-le"))
    with pytest.raises(FileError, match=r"a\.csv: line 1, the header, holds a NUL character"):
        load(source, warehouse)
    assert query("select status, error like '%holds a NUL%' from audit.loads") == [("failed", True)]
