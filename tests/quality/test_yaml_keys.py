"""Unknown keys in dbt's YAML: dbt ignores most of them without a word when it runs on PostgreSQL.

dbt-core ships JSON schemas of its files, but uses them on four other databases only. Validating
with them is of little use here: they reject valid values (`severity: warn`, Jinja where a boolean
stands) and say of a misspelt key only that some alternative did not match. As a dictionary of the
keys that exist at each place they are complete, so that is how they are used: values are left to
dbt, which does check them. Where the schemas know nothing, dbt's own classes fill in (flags,
packages, the connection, PostgreSQL's configs), and the signatures of the generic tests.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.adapters.postgres.connections import PostgresCredentials
from dbt.adapters.postgres.impl import PostgresConfig
from dbt.contracts.project import (
    GitPackage,
    LocalPackage,
    PackageConfig,
    ProjectFlags,
    RegistryPackage,
)
from dbt.include.global_project import PACKAGE_PATH
from dbt.jsonschemas.jsonschemas import project_schema, resources_schema

RESOURCE_FOLDERS = ("models", "seeds", "macros", "snapshots", "tests", "analyses")
# dbt's PostgreSQL adapter takes these configs; the schemas, made for other databases, lack some.
ADAPTER_CONFIGS = {field.name for field in fields(PostgresConfig)}
# The packages whose tests a project may call, besides its own and dbt's.
STAND_INS = {"dbt_utils": "local/dbt_utils"}
ANYTHING: Any = True

ExpectNone = Callable[[list[str]], None]
Schema = Any
Signatures = dict[str, set[str]]


class _Loader(yaml.SafeLoader):
    """Refuses a key written twice, of which YAML readers silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: {key.value!r} stands twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def unknown_keys_of_project(root: Path) -> list[str]:
    """Returns a sentence per unknown key in the YAML files of the dbt project at `root`."""
    tests = generic_tests(root)
    found = []
    for path in sorted(_yaml_files(root)):
        where = str(path.relative_to(root))
        try:
            # No user's input: the loader is SafeLoader with one more check.
            document = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506
        except yaml.YAMLError as error:
            found.append(f"{where}: {error}")
            continue
        if path.name == "dbt_project.yml":
            found += unknown_keys_of_settings(document, where)
        elif path.name == "packages.yml":
            found += unknown_keys_of_packages(document, where)
        elif path.name == "profiles.yml":
            found += unknown_keys_of_profiles(document, where)
        else:
            found += unknown_keys_of_resources(document, where, tests)
    return found


def _yaml_files(root: Path) -> Iterator[Path]:
    names = ("dbt_project.yml", "packages.yml", "profiles.yml")
    yield from (path for name in names if (path := root / name).exists())
    for folder in RESOURCE_FOLDERS:
        for suffix in ("yml", "yaml"):
            yield from (root / folder).rglob(f"*.{suffix}")


def unknown_keys_of_resources(document: Any, where: str, tests: Signatures) -> list[str]:
    """Checks a properties file: models, sources, tests, macros and the like."""
    schema = _with_adapter_configs(resources_schema())
    found = _walk(document or {}, schema, schema["definitions"], where)
    return [*found, *_unknown_tests(document, where, tests)]


def unknown_keys_of_settings(document: Any, where: str) -> list[str]:
    """Checks dbt_project.yml. A misspelt flag would be ignored: telemetry stays on, for one."""
    schema = _with_adapter_configs(project_schema())
    flags = {field.name for field in fields(ProjectFlags)}
    return [
        *_walk(document, schema, schema["definitions"], where),
        *_unknown(document.get("flags") or {}, flags, f"{where}: flags"),
    ]


def unknown_keys_of_packages(document: Any, where: str) -> list[str]:
    """Checks packages.yml."""
    known = {
        # dbt takes either spelling.
        spelling
        for kind in (GitPackage, LocalPackage, RegistryPackage)
        for field in fields(kind)
        for spelling in (field.name, field.name.replace("_", "-"))
    }
    found = _unknown(document, {field.name for field in fields(PackageConfig)}, where)
    for package in document.get("packages", []):
        found += _unknown(package, known - {"unrendered"}, f"{where}: packages")
    return found


def unknown_keys_of_profiles(document: Any, where: str) -> list[str]:
    """Checks profiles.yml: the profiles' own keys, and the connections to PostgreSQL."""
    known = {field.name for field in fields(PostgresCredentials)}
    known |= {*PostgresCredentials._ALIASES, "type", "threads"}
    found = []
    for name, profile in document.items():
        found += _unknown(profile, {"target", "outputs"}, f"{where}: {name}")
        for target, output in profile.get("outputs", {}).items():
            if output.get("type") == "postgres":
                found += _unknown(output, known, f"{where}: {name}.outputs.{target}")
    return found


def unknown_configs(manifest: dict[str, Any]) -> list[str]:
    """Checks the configs of a manifest's nodes, which brings in `config(...)` in SQL files."""
    definitions = _with_adapter_configs(resources_schema())["definitions"]
    kinds = {
        "model": "ModelConfig",
        "seed": "SeedConfig",
        "snapshot": "SnapshotConfig",
        "test": "DataTestConfig",
    }
    found = []
    for node in manifest["nodes"].values():
        ours = node["package_name"] == manifest["metadata"]["project_name"]
        if ours and node["resource_type"] in kinds:
            known = set(definitions[kinds[node["resource_type"]]]["properties"])
            known |= {"pre-hook", "post-hook"}
            found += _unknown(node["unrendered_config"], known, node["original_file_path"])
    return found


def generic_tests(root: Path) -> Signatures:
    """Returns the arguments of each generic test that a project may call, dbt's own included."""
    found = _signatures(Path(PACKAGE_PATH), "")
    found |= _signatures(root / "macros", "") | _signatures(root / "tests", "")
    for package, folder in STAND_INS.items():
        found |= _signatures(root / folder, f"{package}.")
    return found


def _signatures(folder: Path, prefix: str) -> Signatures:
    return {
        # Jinja's defaults are, near enough, Python's: its parser then finds the names.
        prefix + name: {argument.arg for argument in _arguments(signature)}
        for path in folder.rglob("*.sql")
        for name, signature in re.findall(
            r"{%-?\s*test\s+(\w+)\s*\((.*?)\)\s*-?%}", path.read_text(encoding="utf-8"), re.DOTALL
        )
    }


def _arguments(signature: str) -> list[ast.arg]:
    (function,) = ast.parse(f"def _({signature}): pass").body
    assert isinstance(function, ast.FunctionDef)
    return function.args.args


def _unknown_tests(value: Any, where: str, tests: Signatures) -> list[str]:
    """Checks names and arguments of the generic tests anywhere below `value`."""
    found: list[str] = []
    if isinstance(value, list):
        for item in value:
            found += _unknown_tests(item, f"{where}.{_name(item)}", tests)
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("data_tests", "tests") and isinstance(item, list):
                for test in item:
                    found += _unknown_test(test, f"{where}.{key}", tests)
            else:
                found += _unknown_tests(item, f"{where}.{key}", tests)
    return found


def _unknown_test(test: Any, where: str, tests: Signatures) -> list[str]:
    if isinstance(test, str):
        test = {test: None}
    if "test_name" in test:
        test = {test["test_name"]: test}
    elif "name" in test:
        return []  # describes a singular test, which is a file of its own
    if len(test) > 1:
        return [f"{where}: one test or several, {', '.join(test)}? Check the indentation"]
    ((name, body),) = test.items()
    if name not in tests:
        return [_sentence(name, tests, where)]
    arguments = (body or {}).get("arguments") or {}
    return _unknown(arguments, tests[name], f"{where}.{name}.arguments")


def _with_adapter_configs(schema: Schema) -> Schema:
    """Returns `schema` with the adapter's configs known wherever `materialized` is."""
    definitions = dict(schema["definitions"])
    for name, definition in definitions.items():
        properties = definition.get("properties", {}) if isinstance(definition, dict) else {}
        for key in ("materialized", "+materialized"):
            if key in properties:
                sign = key.removesuffix("materialized")
                extra = {f"{sign}{config}": ANYTHING for config in ADAPTER_CONFIGS}
                definitions[name] = {**definition, "properties": {**extra, **properties}}
    return {**schema, "definitions": definitions}


def _walk(value: Any, schema: Schema, definitions: Schema, where: str) -> list[str]:
    """Checks the keys of `value` and below against what any alternative of `schema` knows."""
    options = list(_options(schema, definitions))
    found: list[str] = []
    if ANYTHING in options:
        return found
    if isinstance(value, list):
        items = {"anyOf": [option["items"] for option in options if "items" in option]}
        for item in value if items["anyOf"] else []:
            found += _walk(item, items, definitions, f"{where}.{_name(item)}")
    if isinstance(value, dict):
        objects = [o for o in options if "properties" in o or "additionalProperties" in o]
        fitting = [o for o in objects if set(o.get("required", ())) <= set(value)] or objects
        # An alternative with a mark of its own (`test_name`) is meant where that mark stands.
        marked = [option for option in fitting if option.get("required")]
        for key, item in value.items() if objects else []:
            below = _below(key, item, marked or fitting, definitions)
            if below["anyOf"]:
                found += _walk(item, below, definitions, f"{where}.{key}")
            else:
                known = {name for option in objects for name in option.get("properties", ())}
                found.append(_sentence(key, known, where))
    return found


def _below(key: str, item: Any, options: list[Schema], definitions: Schema) -> dict[str, Any]:
    """Returns the schema of what stands under `key`, without alternatives if none knows it."""
    named = [o["properties"][key] for o in options if key in o.get("properties", {})]
    if named or str(key).startswith("+"):
        return {"anyOf": named}
    free = [o["additionalProperties"] for o in options if o.get("additionalProperties")]
    # In dbt_project.yml any name may be that of a folder, but then a mapping follows.
    if free and not isinstance(item, dict | None):
        free = [f for f in free if not _only_objects(f, definitions)]
    return {"anyOf": free}


def _only_objects(schema: Schema, definitions: Schema) -> bool:
    options = list(_options(schema, definitions))
    return ANYTHING not in options and all("properties" in option for option in options)


def _options(schema: Schema, definitions: Schema) -> Iterator[Schema]:
    """Yields the alternatives that a schema stands for, references followed."""
    if not isinstance(schema, dict):
        yield schema
    elif "$ref" in schema:
        yield from _options(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    elif alternatives := [*schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        for alternative in alternatives:
            yield from _options(alternative, definitions)
    elif "allOf" in schema:
        for part in schema["allOf"]:
            yield from _options(part, definitions)
    else:
        yield schema


def _unknown(keys: Iterable[str], known: Iterable[str], where: str) -> list[str]:
    return [_sentence(key, known, where) for key in keys if key not in set(known)]


def _sentence(key: str, known: Iterable[str], where: str) -> str:
    near = get_close_matches(str(key), known, n=1)
    return f"{where}: unknown key {key!r}" + (f", meant is perhaps {near[0]!r}" if near else "")


def _name(item: Any) -> str:
    return str(item.get("name", "-")) if isinstance(item, dict) else "-"


PROJECT = """
name: shop
version: "1.0.0"
config-version: 2
profile: shop
require-dbt-version: [">=1.11.0", "<1.12.0"]
flags:
  send_anonymous_usage_stats: false
target-path: target
clean-targets: [target, logs]
vars:
  whatever: {it: is}
models:
  shop:
    +persist_docs: {relation: true, columns: true}
    +meta: {any: thing}
    marts:
      +materialized: table
      +unlogged: true
      +enabled: "{{ target.name != 'other' }}"
      +indexes: [{columns: [id], unique: true}]
      sales:
        +schema: marts_sales
        +pre-hook: select 1
seeds:
  shop:
    +column_types: {id: integer}
dispatch:
  - macro_namespace: dbt_utils
    search_order: [shop, dbt_utils]
"""

RESOURCES = """
version: 2
sources:
  - name: shop
    description: What the shop's till writes.
    schema: raw_shop
    config:
      freshness:
        warn_after: {count: 1, period: day}
        filter: true
      loaded_at_field: _loaded_at
      meta: {owner: me}
    tables:
      - name: receipt
        description: Receipts.
        config: {loaded_at_query: select 1, freshness: null}
        columns: [{name: id, description: Number., data_tests: [not_null]}]
models:
  - name: fact_receipt
    description: One row per receipt.
    config:
      materialized: incremental
      unique_key: id
      contract: {enforced: true}
      access: public
      unlogged: false
      indexes: [{columns: [id], unique: true, type: btree}]
      post_hook: analyze {{ this }}
      meta: {any: thing}
    constraints: [{type: primary_key, columns: [id]}]
    data_tests:
      - dbt_utils.unique_combination_of_columns:
          arguments: {combination_of_columns: [id, line]}
      - test_name: not_null
        name: id_is_there
        arguments: {column_name: id}
    columns:
      - name: id
        description: Number.
        data_type: integer
        constraints: [{type: not_null}]
        data_tests:
          - unique
          - not_null:
              name: id_is_always_there
              description: Every receipt has one.
          - relationships:
              arguments: {to: ref('dim_shop'), field: id}
              config: {severity: warn, where: id > 0, error_if: ">10", meta: {a: b}}
          - accepted_values:
              arguments: {values: [1, 2], quote: false}
unit_tests:
  - name: adds_up
    description: Lines add up.
    model: fact_receipt
    config: {tags: [slow], meta: {a: b}}
    overrides: {vars: {a: b}, macros: {is_incremental: false}, env_vars: {A: b}}
    given:
      - input: ref('line')
        rows: [{id: 1, any_column: "1.00"}]
      - input: this
        format: csv
        rows: "id"
      - {input: ref('other'), format: sql, rows: select 1}
    expect:
      rows: [{id: 1}]
seeds:
  - name: code
    description: Codes.
    config: {column_types: {id: integer}, delimiter: ";", quote_columns: false}
    columns: [{name: id, description: Code.}]
snapshots:
  - name: history
    relation: ref('fact_receipt')
    description: One row per version.
    config: {strategy: check, check_cols: all, unique_key: id, hard_deletes: new_record}
macros:
  - name: twice
    description: Doubles.
    arguments: [{name: column, type: string, description: What.}]
analyses:
  - name: q1
    description: Counts.
    config: {tags: [answer]}
    columns: [{name: id, description: Number.}]
exposures:
  - name: answers
    type: analysis
    label: Answers
    maturity: high
    url: https://example.com
    description: Prints them.
    owner: {name: Me, email: me@example.com}
    depends_on: [ref('fact_receipt')]
    config: {meta: {a: b}}
data_tests:
  - name: nothing_lost
    description: Counts agree.
    config: {severity: error}
"""

PACKAGES = "packages: [{package: dbt-labs/dbt_utils, version: ['>=1.3.0', '<2.0.0']}]"

PROFILES = """
shop:
  target: main
  outputs:
    main: &main {type: postgres, host: h, port: 1, user: u, password: p, dbname: d, schema: s}
    other: {<<: *main, threads: 2, application_name: dbt}
    cluster: {type: spark, whatever: it takes}
"""

STAND_IN = """
{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
{% endtest %}
"""


@pytest.fixture
def valid(tmp_path: Path) -> Path:
    """A dbt project that uses every kind of file, without a mistake."""
    texts = {
        "dbt_project.yml": PROJECT,
        "packages.yml": PACKAGES,
        "profiles.yml": PROFILES,
        "models/resources.yml": RESOURCES,
        "macros/empty.yaml": "",
        "local/dbt_utils/macros/unique_combination_of_columns.sql": STAND_IN,
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_valid_files_pass(valid: Path) -> None:
    assert unknown_keys_of_project(valid) == []


RESOURCE_MISTAKES = [
    ("models:", "model:", "'model'"),
    ("description: One", "descripton: One", "'descripton'"),
    ("data_type: int", "datatype: int", "'datatype'"),
    ("data_tests: [not_null]", "test: [not_null]", "'test'"),
    ("- relationships:", "- relationship:", "'relationship'"),
    ("[not_null]", "[not_nul]", "'not_nul'"),
    ("dbt_utils.unique", "dbt_util.unique", "'dbt_util.unique"),
    ("{to: ref", "{too: ref", "'too'"),
    ("{combination_of_columns", "{columns", "'columns'"),
    ("arguments: {values", "argument: {values", "'argument'"),
    ("arguments: {values: [1, 2], quote: false}", "values: [1, 2]", "'values'"),
    ("arguments: {column_name", "argument: {column_name", "'argument'"),
    ("severity: warn", "severty: warn", "'severty'"),
    ("materialized:", "materialised:", "'materialised'"),
    ("{enforced: true}", "{enforce: true}", "'enforce'"),
    ("unique: true, type", "uniq: true, type", "'uniq'"),
    ("{type: not_null}", "{kind: not_null}", "'kind'"),
    ("warn_after", "warn_later", "'warn_later'"),
    ("period: day", "periods: day", "'periods'"),
    ("loaded_at_query", "loaded_at_sql", "'loaded_at_sql'"),
    ("given:", "givn:", "'givn'"),
    ("- input: this", "- inputs: this", "'inputs'"),
    ("expect:\n      rows", "expect:\n      row", "'row'"),
    ("overrides: {vars", "overrides: {var", "'var'"),
    ("check_cols", "check_columns", "'check_columns'"),
    ("arguments: [{name", "parameters: [{name", "'parameters'"),
    ("owner: {name", "owner: {nam", "'nam'"),
    ("delimiter", "delimeter", "'delimeter'"),
    ("label: Answers", "label: Answers\n    label: Others", "'label' stands twice"),
]
OTHER_MISTAKES = [
    ("dbt_project.yml", "target-path", "target_path", "'target_path'"),
    ("dbt_project.yml", "usage_stats", "usage_stat", "'send_anonymous_usage_stat'"),
    ("dbt_project.yml", "+materialized", "+materialised", "'+materialised'"),
    ("dbt_project.yml", "+materialized", "materialized", "'materialized'"),
    ("dbt_project.yml", "relation: true", "relations: true", "'relations'"),
    ("dbt_project.yml", "+column_types", "+column_type", "'+column_type'"),
    ("packages.yml", "version", "versions", "'versions'"),
    ("profiles.yml", "threads", "thread", "'thread'"),
    ("profiles.yml", "outputs", "output", "'output'"),
]


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [*(("models/resources.yml", *mistake) for mistake in RESOURCE_MISTAKES), *OTHER_MISTAKES],
)
def test_a_wrong_key_is_found(valid: Path, file: str, right: str, wrong: str, said: str) -> None:
    path = valid / file
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    (sentence,) = unknown_keys_of_project(valid)
    assert sentence.startswith(file)
    assert said in sentence


def test_a_test_with_its_arguments_beside_it_is_found() -> None:
    document = {"models": [{"name": "m", "data_tests": [{"unique": None, "arguments": {}}]}]}
    (sentence,) = unknown_keys_of_resources(document, "m.yml", {"unique": set()})
    assert "indentation" in sentence


def test_a_wrong_config_in_sql_is_found() -> None:
    node = {
        "package_name": "shop",
        "resource_type": "model",
        "original_file_path": "models/m.sql",
        "unrendered_config": {"materialised": "table", "unlogged": True, "post-hook": "select 1"},
    }
    manifest = {"metadata": {"project_name": "shop"}, "nodes": {"model.shop.m": node}}
    assert unknown_configs(manifest) == [
        "models/m.sql: unknown key 'materialised', meant is perhaps 'materialized'"
    ]


@pytest.mark.parametrize("project", [".", *STAND_INS.values()])
def test_our_files_have_no_unknown_key(root: Path, project: str, expect_none: ExpectNone) -> None:
    expect_none(unknown_keys_of_project(root / project))


@pytest.mark.warehouse
def test_the_project_has_no_unknown_config(
    manifest: dict[str, Any], expect_none: ExpectNone
) -> None:
    expect_none(unknown_configs(manifest))
