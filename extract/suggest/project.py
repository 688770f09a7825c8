"""Writes suggested feeds into the project: the entry in sources.yml, and the models of staging."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jinja2
import yaml

from common.errors import ConfigurationError
from extract.declaration import SOURCES_FILE, read_sources
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
# What stands together in a staging model, by the kinds of types.
_GROUPS = {
    "text": ("text",),
    "numbers": ("integer", "bigint", "numeric"),
    "flags": ("boolean",),
    "dates": ("date", "timestamp"),
}
_LINE = 100
# Of a model: dbt-bouncer.yml.
_MOST_UPSTREAM = 6


def write(source: str, tables: Sequence[Table], force: bool = False) -> list[Path]:
    """Writes the files of a new source, and returns their paths below the project's root.

    Raises ConfigurationError, with nothing written, if one is there already, or such a source is
    declared, unless told to `force`.
    """
    templates = jinja2.Environment(  # noqa: S701
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
    # A column may be called `no`, which is false in YAML.
    templates.filters["yaml"] = lambda name: yaml.safe_dump(name).partition("\n")[0]
    shown = [_shown(table) for table in tables]
    casting = [table for table in shown if table["casts"]]
    files: dict[Path, str] = {}

    def render(folder: str, name: str, template: str, **known: Any) -> None:
        text = templates.get_template(f"{template}.jinja").render(source=source, **known)
        files[Path("models", folder, source, name)] = text

    render("staging", f"_{source}__sources.yml", "_sources.yml", tables=shown)
    # What would read more models than `make lint` takes is one for each of them.
    lists = {source: casting} if casting else {}
    if len(casting) > _MOST_UPSTREAM:
        lists = {f"{source}_{table['name']}": [table] for table in casting}
    for suffix in ("sql", "yml"):
        for table in shown:
            name = f"stg_{source}__{table['name']}.{suffix}"
            render("staging", name, f"stg.{suffix}", table=table)
        for prefix, read in lists.items():
            name = f"dq_{prefix}_rejected_values.{suffix}"
            render("quality", name, f"dq.{suffix}", prefix=prefix, casting=read)
    there = [str(path) for path in files if (ROOT / path).exists()]
    if source in read_sources():
        there.append(f"source {source} in extract/sources.yml")
    if there and not force:
        raise ConfigurationError(
            f"{', '.join(there)}: there already, so nothing was written; another --source, or "
            "--force to overwrite"
        )
    declaration = _declare(source, tables)
    for path, text in files.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    SOURCES_FILE.write_text(declaration, encoding="utf-8")
    return [SOURCES_FILE.relative_to(ROOT), *files]


def _declare(source: str, tables: Sequence[Table]) -> str:
    """Returns sources.yml with the source at its end, and without its former entry.

    Raises ConfigurationError if the loader would not take it.
    """
    description = f"{source} (fill in what it is and whose)"
    entry = {"description": description, "feeds": {table.name: _entry(table) for table in tables}}
    written = yaml.safe_dump(
        {source: entry},
        default_flow_style=None,
        sort_keys=False,
        allow_unicode=True,
        width=_LINE - 9,
    )
    text = SOURCES_FILE.read_text(encoding="utf-8")
    former = re.compile(rf"^  {source}:.*\n(?:(?!  \S|\S).*\n?)*", re.MULTILINE)
    text = former.sub("", text).rstrip("\n") + "\n" + textwrap.indent(written, "  ")
    with TemporaryDirectory() as folder:
        copy = Path(folder, SOURCES_FILE.name)
        copy.write_text(text, encoding="utf-8")
        read_sources(copy)
    return text


def _entry(table: Table) -> dict[str, Any]:
    """Returns how a feed is declared."""
    names = dict(zip(table.columns, table.form.columns, strict=True))
    entry = {
        table.kind: table.patterns[0] if len(table.patterns) == 1 else table.patterns,
        "key": [names[column] for column in table.key],
        "newest_by": names[table.newest_by] if table.newest_by and table.kind == "changes" else "",
        "format": table.form.format.model_dump(exclude_defaults=True),
        "max_rejected": table.max_rejected,
        "columns": table.form.columns,
    }
    return {name: value for name, value in entry.items() if value}


def _shown(table: Table) -> dict[str, Any]:
    """Returns what the templates show of a feed."""
    ids = [column for column in table.columns if column in table.key or column.is_id]
    groups = {"ids": ids} | {
        title: [column for column in table.columns if column.kind in kinds and column not in ids]
        for title, kinds in _GROUPS.items()
    }
    marker = "" if table.marker == "NULL" else repr(table.marker)
    expressions = [
        (title, [_expression(_call(column, marker), column.name) for column in members])
        for title, members in groups.items()
        if members
    ]
    casts = any(column.type != "text" for column in table.columns)
    if casts:
        key = ", ".join(f"'{column.sql}'" for column in table.key) or f"'{ROW}'"
        more = f", null_marker={marker}" if marker else ""
        call = f"rejected_values(casts, record_key=[{key}]{more})"
        expressions.append(("what did not cast", [_expression(call, "rejected_values")]))
    known_by = " and ".join(column.name for column in table.key) or "place in its file"
    return {
        **vars(table),
        "grain": f"record of {table.name}, known by its {known_by} (fill in what it is)",
        "casts": casts,
        "lineage": [
            each for each in LINEAGE.items() if each[0] != IS_CHANGE or table.kind == "changes"
        ],
        "staged": [column for members in groups.values() for column in members],
        "groups": expressions,
    }


def _call(column: Column, marker: str) -> str:
    if column.type != "text":
        return f"try_cast_to('{column.sql}', '{column.type}', casts)"
    return f"clean_text('{column.sql}'{f', {marker}' if marker else ''})"


def _expression(call: str, name: str) -> str:
    """Returns an expression of a select, over several lines where one is too long."""
    line = f"{{{{ {call} }}}} as {name}"
    if len(line) + 9 <= _LINE:
        return line
    return f"{{{{\n            {call}\n        }}}} as {name}"
