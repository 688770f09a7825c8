"""Writes suggested feeds into the project: the entry in sources.yml, and the models of staging."""

import json
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jinja2
import yaml

from common.errors import ConfigurationError
from extract.declaration import SOURCES_FILE, Format, read_sources
from extract.reader import FILE_ID, IS_CHANGE, LINE, LOAD_ID, LOADED_AT, ROW, SOURCE_FILE
from extract.suggest.feeds import Table
from extract.suggest.values import Column

ROOT = SOURCES_FILE.parents[1]
LINEAGE = {
    IS_CHANGE: "boolean",
    FILE_ID: "bigint",
    SOURCE_FILE: "text",
    LINE: "bigint",
    ROW: "bigint",
    LOAD_ID: "bigint",
    LOADED_AT: "timestamp with time zone",
}
_LINE = 100
# Of a model: dbt-bouncer.yml.
_MOST_UPSTREAM = 6


def write(source: str, tables: Sequence[Table], force: bool = False) -> list[Path]:
    """Writes the files of a new source, and returns their paths below the project's root.

    Raises ConfigurationError, with nothing written, if one is there already, or such a source is
    declared, unless told to `force`.
    """
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        block_start_string="<%",
        block_end_string="%>",
        variable_start_string="<<",
        variable_end_string=">>",
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"yaml": _yaml, "wrap": _wrap}
    shown = [_shown(table) for table in tables]
    casting = [table for table in shown if table["casts"]]

    def render(template: str, **more: Any) -> str:
        known = {"source": source, "tables": shown}
        return environment.get_template(f"{template}.jinja").render(**known, **more)

    staging, quality = Path("models/staging", source), Path("models/quality", source)
    files = {staging / f"_{source}__sources.yml": render("_sources.yml")}
    for table in shown:
        for suffix in ("sql", "yml"):
            name = f"stg_{source}__{table['name']}.{suffix}"
            files[staging / name] = render(f"stg.{suffix}", table=table)
    # What reads more models than `make lint` takes is one for each of them.
    lists = (
        {source: casting}
        if len(casting) <= _MOST_UPSTREAM
        else {f"{source}_{table['name']}": [table] for table in casting}
    )
    for prefix, read in lists.items() if casting else ():
        for suffix in ("sql", "yml"):
            path = quality / f"dq_{prefix}_rejected_values.{suffix}"
            files[path] = render(f"dq.{suffix}", prefix=prefix, casting=read)
    there = [str(path) for path in files if (ROOT / path).exists()]
    if source in read_sources():
        there.append(f"source {source} in extract/sources.yml")
    if there and not force:
        raise ConfigurationError(
            f"{', '.join(there)}: there already, so nothing was written; another --source, or "
            "--force to overwrite"
        )
    declaration = _declare(source, render("source.yml"))
    for path, text in files.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    SOURCES_FILE.write_text(declaration, encoding="utf-8")
    return [SOURCES_FILE.relative_to(ROOT), *files]


def _declare(source: str, entry: str) -> str:
    """Returns sources.yml with the entry at its end, and without the source's former one.

    Raises ConfigurationError if the loader would not take it.
    """
    text = SOURCES_FILE.read_text(encoding="utf-8")
    former = re.compile(rf"^  {source}:.*\n(?:(?!  \S|\S).*\n?)*", re.MULTILINE)
    text = former.sub("", text).rstrip("\n") + "\n" + entry
    with TemporaryDirectory() as folder:
        copy = Path(folder, SOURCES_FILE.name)
        copy.write_text(text, encoding="utf-8")
        read_sources(copy)
    return text


def _shown(table: Table) -> dict[str, Any]:
    """Returns what the templates show of a feed."""
    columns = table.columns
    ids = [column for column in columns if column in table.key or column.is_id]
    kinds = {
        "ids": ids,
        "text": [column for column in columns if column.type == "text"],
        "numbers": [c for c in columns if c.type.startswith(("integer", "bigint", "numeric"))],
        "flags": [column for column in columns if column.type == "boolean"],
        "dates": [column for column in columns if column.type in ("date", "timestamp")],
    }
    groups = {
        title: [column for column in members if title == "ids" or column not in ids]
        for title, members in kinds.items()
    }
    names = dict(zip((column.raw for column in columns), table.form.columns, strict=True))
    defaults = Format()
    known_by = " and ".join(column.name for column in table.key) or "place in its file"
    shown: dict[str, Any] = {
        **vars(table),
        "grain": f"record of {table.name}, known by its {known_by} (fill in what it is)",
        "key_names": [names[column.raw] for column in table.key],
        "newest_name": names[table.newest_by.raw] if table.newest_by else "",
        "format": {
            name: value for name, value in table.form.format if value != getattr(defaults, name)
        },
        "max_rejected": table.max_rejected,
        "casts": any(column.type != "text" for column in columns),
        "lineage": [
            each for each in LINEAGE.items() if each[0] != IS_CHANGE or table.kind == "changes"
        ],
        "staged": [column for members in groups.values() for column in members],
    }
    shown["groups"] = [
        (title, [_expression(_call(column, table.marker), column.name) for column in members])
        for title, members in groups.items()
        if members
    ]
    if shown["casts"]:
        key = ", ".join(f"'{column.sql}'" for column in table.key) or f"'{ROW}'"
        marker = f", null_marker={_quote(table.marker)}" if table.marker != "NULL" else ""
        call = f"rejected_values(casts, record_key=[{key}]{marker})"
        shown["groups"].append(("what did not cast", [_expression(call, "rejected_values")]))
    return shown


def _call(column: Column, marker: str) -> str:
    if column.type != "text":
        return f"try_cast_to('{column.sql}', '{column.type}', casts)"
    return f"clean_text('{column.sql}'{', ' + _quote(marker) if marker != 'NULL' else ''})"


def _expression(call: str, name: str) -> str:
    """Returns an expression of a select, over several lines where one is too long."""
    line = f"{{{{ {call} }}}} as {name}"
    if len(line) + 9 <= _LINE:
        return line
    if len(call) + 12 > _LINE:
        call = call.replace("(", "(\n                ", 1)[:-1] + "\n            )"
    return f"{{{{\n            {call}\n        }}}} as {name}"


def _quote(marker: str) -> str:
    r"""Returns a string of Jinja: of \N the backslash is written twice."""
    return "'" + marker.replace("\\", "\\\\") + "'"


def _yaml(value: object) -> str:
    """Returns a scalar as YAML takes it anywhere, quoted only where it must be."""
    is_plain = isinstance(value, str) and re.fullmatch(r"[^\W_][\w./*-]*(?: [\w./-]+)*", value)
    if is_plain and yaml.safe_load(str(value)) == value:
        return str(value)
    return json.dumps(value, ensure_ascii=not str(value).isprintable())


def _wrap(text: str, indent: int) -> str:
    """Breaks a list after its commas, so that lines stay readable."""
    width = _LINE - indent
    if re.search(r"\".* .*\"", text):
        return text
    return f"\n{' ' * indent}".join(
        textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    )
