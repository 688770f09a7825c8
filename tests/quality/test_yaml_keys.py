"""Unknown keys in dbt's YAML, which dbt ignores without a word when it runs on PostgreSQL.

dbt-core ships JSON schemas of its files, and uses them on four other databases only. They reject
valid values (Jinja where a boolean stands), but they know every key at each place, which is what
they are used for here. dbt itself refuses unknown tests, unknown arguments of tests, and unknown
keys of metrics and semantic models, which the schemas know as a newer dbt has them.
"""

from collections.abc import Iterator
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.adapters.postgres.impl import PostgresConfig
from dbt.contracts.graph.unparsed import UnparsedMeasure, UnparsedMetric
from dbt.contracts.project import ProjectFlags
from dbt.jsonschemas.jsonschemas import project_schema, resources_schema
from dbt_common.dataclass_schema import ValidationError

FOLDERS = ("models", "seeds", "macros", "snapshots", "tests", "analyses", "local/dbt_utils")
# dbt's PostgreSQL adapter takes these configs; the schemas, made for other databases, lack some.
ADAPTER_CONFIGS = {field.name for field in fields(PostgresConfig)}
ANYTHING: Any = True
Schema = Any


class _Loader(yaml.SafeLoader):
    """Refuses a key written twice, of which YAML readers silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {twice} twice")
        return super().construct_mapping(node, deep)


def unknown_keys(text: str, is_project: bool = False) -> list[str]:
    """Returns a sentence per unknown key of dbt_project.yml or of a properties file."""
    # No user's input: the loader is SafeLoader with one more check.
    document = yaml.load(text, _Loader) or {}  # noqa: S506
    schema = project_schema() if is_project else resources_schema()
    if not is_project:
        document.pop("metrics", None)
    definitions = {name: _with_adapter_configs(d) for name, d in schema["definitions"].items()}
    found = list(_walk(document, schema, definitions, ""))
    if is_project:  # One misspelt flag, and telemetry stays on.
        flags = {field.name for field in fields(ProjectFlags)}
        found += [_sentence(flag, flags, "flags") for flag in set(document["flags"]) - flags]
    return found


def _with_adapter_configs(definition: Schema) -> Schema:
    """Returns a definition that knows the adapter's configs wherever it knows `materialized`."""
    properties = definition.get("properties", {}) if isinstance(definition, dict) else {}
    for sign in ("", "+"):
        if f"{sign}materialized" in properties:
            extra = {f"{sign}{config}": ANYTHING for config in ADAPTER_CONFIGS}
            return {**definition, "properties": {**extra, **properties}}
    return definition


def _walk(value: Any, schema: Schema, definitions: Schema, where: str) -> Iterator[str]:
    """Checks the keys of `value` and below against what any alternative of `schema` knows."""
    options = list(_options(schema, definitions))
    if ANYTHING in options:
        return
    if isinstance(value, list):
        items = {"anyOf": [option["items"] for option in options if "items" in option]}
        for item in value if items["anyOf"] else []:
            yield from _walk(item, items, definitions, where)
    if isinstance(value, dict):
        objects = [o for o in options if "properties" in o or "additionalProperties" in o]
        fitting = [o for o in objects if set(o.get("required", ())) <= set(value)] or objects
        # An alternative with a mark of its own (`test_name`) is meant where that mark stands.
        marked = [option for option in fitting if option.get("required")]
        for key, item in value.items() if objects else []:
            below = _below(str(key), item, marked or fitting, definitions)
            if below["anyOf"]:
                yield from _walk(item, below, definitions, f"{where}.{key}")
            else:
                known = {name for option in objects for name in option.get("properties", ())}
                yield _sentence(key, known, f"{where} of {value.get('name', '-')}")


def _below(key: str, item: Any, options: list[Schema], definitions: Schema) -> dict[str, Any]:
    """Returns the schema of what stands under `key`, without alternatives if none knows it."""
    named = [o["properties"][key] for o in options if key in o.get("properties", {})]
    if named or key.startswith("+"):
        return {"anyOf": named}
    free = [o["additionalProperties"] for o in options if o.get("additionalProperties")]
    # In dbt_project.yml any name may be that of a folder, but then a mapping follows.
    if free and not isinstance(item, dict | None):
        free = [
            f
            for f in free
            if ANYTHING in (options := list(_options(f, definitions)))
            or not all("properties" in option for option in options)
        ]
    return {"anyOf": free}


def _options(schema: Schema, definitions: Schema) -> Iterator[Schema]:
    """Yields the alternatives that a schema stands for, references followed."""
    several = ("anyOf", "oneOf", "allOf")
    if isinstance(schema, dict) and "$ref" in schema:
        yield from _options(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    elif isinstance(schema, dict) and any(name in schema for name in several):
        for alternative in [each for name in several for each in schema.get(name, ())]:
            yield from _options(alternative, definitions)
    else:
        yield schema


def _sentence(key: Any, known: set[str], where: str) -> str:
    near = get_close_matches(str(key), known, n=1)
    return f"{where}: unknown key {key!r}" + (f", meant is perhaps {near[0]!r}" if near else "")


FACT = """
models:
  - name: fact
    description: One row per receipt.
    config: {contract: {enforced: true}, unlogged: true, indexes: [{columns: [id]}]}
    columns:
      - {name: id, data_type: integer, data_tests: [{not_null: {config: {severity: warn}}}]}
"""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("models:", "model:"),
        ("description", "descripton"),
        ("enforced", "enforce"),
        ("unlogged", "unloged"),
        ("data_type:", "datatype:"),
        ("data_tests", "test"),
        ("severity", "severty"),
        ("description: One", "name: fact\n    description: One"),
    ],
)
def test_a_wrong_key_is_found(right: str, wrong: str) -> None:
    assert unknown_keys(FACT) == []
    try:
        found = unknown_keys(FACT.replace(right, wrong))
    except yaml.YAMLError as error:
        found = [str(error)]
    assert wrong.partition(":")[0] in found[0]


def test_dbt_itself_refuses_a_wrong_key_of_a_metric() -> None:
    metric = {"name": "a", "label": "A", "type": "simple", "type_params": {"measure": "b"}}
    measure = {"name": "c", "agg": "sum"}
    for kind, right, wrong in (
        (UnparsedMetric, metric, {**metric, "descripton": ""}),
        (UnparsedMeasure, measure, {**measure, "expresion": ""}),
    ):
        validate: Any = kind.validate
        validate(right)
        with pytest.raises(ValidationError, match=r"descripton|expresion"):
            validate(wrong)


def test_no_file_has_an_unknown_key(root: Path) -> None:
    found = unknown_keys((root / "dbt_project.yml").read_text(encoding="utf-8"), is_project=True)
    for path in [path for folder in FOLDERS for path in (root / folder).rglob("*.yml")]:
        if path.name != "dbt_project.yml":
            text = path.read_text(encoding="utf-8")
            found += [f"{path.relative_to(root)}{sentence}" for sentence in unknown_keys(text)]
    assert found == []
