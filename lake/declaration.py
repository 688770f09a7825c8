"""Reads `tables.yml`: which tables the lake has, and what of the warehouse they hold."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from common.errors import ConfigurationError

TABLES_FILE = Path(__file__).with_name("tables.yml")
LAYERS = ("bronze", "silver", "gold")
NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Table:
    """One table of the lake: what it holds, and how.

    `columns` are those of the relation that are published, all if there are none. `partition_by`
    has names of columns, each with the SQL expression that it is: its own name, if the relation has
    it. `exception` says why a table is published although the role reader may not read it; most
    have none.
    """

    layer: str
    name: str
    schema: str
    relation: str
    columns: tuple[str, ...]
    partition_by: tuple[tuple[str, str], ...]
    order_by: tuple[str, ...]
    exception: str = ""

    def __str__(self) -> str:
        return f"{self.layer}/{self.name}"


def read_tables(path: Path = TABLES_FILE) -> list[Table]:
    """Returns the declared tables; raises ConfigurationError, naming what is unknown or missing."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}; correct it") from error
    layers = _mapping(_mapping(document, ("tables",), str(path)).get("tables"), LAYERS, str(path))
    return [
        _table(layer, name, body, f"{path}: {layer}: {name}")
        for layer, tables in layers.items()
        for name, body in _mapping(tables, None, f"{path}: {layer}").items()
    ]


def select(tables: Sequence[Table], names: Sequence[str]) -> list[Table]:
    """Returns the tables that are named (`sales`, or `silver/sales`), or all.

    Raises ConfigurationError for a name that no table has.
    """
    for name in names:
        if not any(name in (str(table), table.name) for table in tables):
            raise ConfigurationError(
                f"{name}: no such table; declared: {', '.join(map(str, tables))}"
            )
    return [t for t in tables if not names or str(t) in names or t.name in names]


def _table(layer: str, name: str, body: Any, where: str) -> Table:
    keys = ("relation", "columns", "partition_by", "order_by", "exception")
    fields = _mapping({"relation": body} if isinstance(body, str) else body, keys, where)
    relation = str(fields.get("relation", "")).split(".")
    if len(relation) != 2 or not all(NAME.fullmatch(part) for part in (name, *relation)):
        raise ConfigurationError(f"{where}: relation: expected schema.table, in snake_case")
    partitions = _mapping(fields.get("partition_by", {}), None, f"{where}: partition_by")
    for name_of_column, expression in partitions.items():
        if not NAME.fullmatch(str(name_of_column)) or not isinstance(expression, str):
            raise ConfigurationError(f"{where}: partition_by: expected names with expressions")
    exception = fields.get("exception", "")
    if not isinstance(exception, str) or ("exception" in fields and not exception.strip()):
        raise ConfigurationError(f"{where}: exception: expected a reason")
    return Table(
        layer=layer,
        name=name,
        schema=relation[0],
        relation=relation[1],
        columns=_names(fields, "columns", where),
        partition_by=tuple(partitions.items()),
        order_by=_names(fields, "order_by", where),
        exception=exception,
    )


def _names(fields: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    names = fields.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{where}: {key}: expected a list of columns")
    return tuple(names)


def _mapping(value: Any, known: tuple[str, ...] | None, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{where}: expected a mapping, found {value!r}")
    for key in value:
        if known is not None and key not in known:
            raise ConfigurationError(f"{where}: {key}: unknown; expected {', '.join(known)}")
    return value
