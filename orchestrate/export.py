"""Writes the answers into a folder: CSV or JSON, a file each, or one HTML page that can be mailed.

A file of the folder is overwritten only if it is as this command left it: `.answers.json` there
has the digests of what it wrote.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import jinja2
import simplejson
from psycopg2 import errors

from common.errors import ConfigurationError
from common.warehouse import Warehouse
from orchestrate.answers import Result, ask
from orchestrate.charts import draw, is_label
from orchestrate.project import Answer

FORMATS = ("csv", "json", "html")
_OWN = ".answers.json"
_PAGE = "answers.html"
# Of a page; the other formats have all rows.
_SHOWN_ROWS = 200


class Folder:
    """A folder that may hold files of others, too."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        """Takes the names of the files to come.

        Raises ConfigurationError if one of them is there and somebody else's, or was changed.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            own = path / _OWN
            self._digests = json.loads(own.read_text("utf-8")) if own.exists() else {}
            changed = [name for name in names if not self._is_own(name)]
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{path}: cannot be used: {error}; name another --out"
            ) from error
        if changed:
            raise ConfigurationError(
                f"{path}: {', '.join(changed)} there already, and not as this command left it: "
                "move it away, or name another --out; nothing was written"
            )

    def write(self, name: str, text: str) -> None:
        """Writes one file, whole or not at all."""
        content = text.encode()
        self._digests[name] = hashlib.sha256(content).hexdigest()
        for file, data in ((_OWN, json.dumps(self._digests, indent=1).encode()), (name, content)):
            aside = self.path / f".{file}.unfinished"
            aside.write_bytes(data)
            aside.replace(self.path / file)

    def _is_own(self, name: str) -> bool:
        path = self.path / name
        if not path.exists():
            return True
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return bool(self._digests.get(name) == digest)


def export(
    warehouse: Warehouse,
    answers: Sequence[Answer],
    form: str,
    out: Path,
    say: Callable[[str], None],
) -> bool:
    """Writes the answers in one of `FORMATS`; returns False if there was none to write.

    Numbers are exact in each. Raises ConfigurationError for a folder with files in the way,
    LoadError if PostgreSQL fails.
    """
    names = [_PAGE] if form == "html" else [f"{answer.name}.{form}" for answer in answers]
    folder = Folder(out, names)
    as_of = _as_of(warehouse)
    results: list[Result] = []

    def keep(result: Result) -> None:
        if form == "html":
            results.append(result)
            return
        name = f"{result.answer.name}.{form}"
        folder.write(name, to_csv(result) if form == "csv" else to_json(result, as_of))
        say(f"  {result.total:>11,} rows  {out / name}")

    is_any = ask(warehouse, answers, keep)
    if results:
        folder.write(_PAGE, to_page(results, as_of))
        say(f"  {len(results):>8} answers  {out / _PAGE}")
    return is_any


def _as_of(warehouse: Warehouse) -> dict[str, datetime]:
    """Returns when each source was last loaded; nothing for a user who may not know."""
    with closing(warehouse.connect()) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(
                "select source, max(ended_at) from audit.loads where status = 'complete' group by 1"
            )
        except (errors.UndefinedTable, errors.InsufficientPrivilege):
            return {}
        return dict(cursor.fetchall())


def to_csv(result: Result) -> str:
    """Returns CSV as PostgreSQL writes it: NULL is nothing, an empty text is two quotes."""
    lines = [result.columns, *result.rows]
    return "".join(",".join(map(_field, line)) + "\n" for line in lines)


def _field(value: object) -> str:
    text = "" if value is None else str(value)
    is_quoted = value == "" or re.search(r'[",\r\n]', text)
    return '"' + text.replace('"', '""') + '"' if is_quoted else text


def to_json(result: Result, as_of: dict[str, datetime]) -> str:
    """Returns a JSON object: the answer, and `rows` as objects; decimals have all their digits."""
    answer = result.answer
    content = {
        "name": answer.name,
        "description": answer.description,
        "loaded_at": {source: as_of[source] for source in answer.sources if source in as_of},
        "sql": answer.sql,
        "rows": [dict(zip(result.columns, row, strict=True)) for row in result.rows],
    }
    return simplejson.dumps(content, use_decimal=True, indent=1, default=_iso, ensure_ascii=False)


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def to_page(results: Sequence[Result], as_of: dict[str, datetime]) -> str:
    """Returns one HTML page with tables and charts, which asks for nothing outside of itself."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["shown"] = _shown
    sections = [
        {
            "answer": result.answer,
            "columns": result.columns,
            "numbers": [
                any(isinstance(row[place], int | Decimal) for row in result.rows)
                for place in range(len(result.columns))
            ],
            "rows": result.rows[:_SHOWN_ROWS],
            "count": result.total,
            "chart": draw(result.columns, result.rows),
            "loaded": [
                f"{source} {as_of[source]:%Y-%m-%d %H:%M} {as_of[source]:%Z}".strip()
                for source in result.answer.sources
                if source in as_of
            ],
        }
        for result in results
    ]
    page = environment.get_template("answers.html.jinja")
    return page.render(sections=sections, now=datetime.now(UTC), limit=_SHOWN_ROWS)


def _shown(value: object, column: str) -> str:
    """Returns a value for people: thousands apart, all decimals; ids and years as they are."""
    if value is None:
        return ""
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return f"{value:,}" if is_number and not is_label(column) else str(value)
