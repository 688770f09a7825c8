"""The stand-in for dbt_utils holds what the project calls of that package: no less, no more.

Where the package hub answers, the real package is installed and the stand-in is not used; what is
checked here is that the project builds where it does not.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

STAND_IN = "local/dbt_utils"
DBT_FOLDERS = ("models", "macros", "seeds", "snapshots", "analyses", "tests")

JINJA_COMMENT = re.compile(r"{#.*?#}", re.DOTALL)
SQL_COMMENT = re.compile(r"--.*")
CALL = re.compile(r"\bdbt_utils\.(\w+)\s*\(")
DEFINITION = re.compile(r"{%-?\s*(macro|test)\s+(\w+)\s*\(")


def differences(root: Path) -> list[str]:
    """Returns a sentence per macro or test that the stand-in lacks, and per one it has in vain."""
    called = calls(root)
    known = implemented(root / STAND_IN)
    # What the stand-in's own macros call is used as well.
    used = set(called) | set(_calls_in(_files(root / STAND_IN, "macros", suffixes=(".sql",))))
    return [
        *(
            f"{where}: dbt_utils.{name} is not in {STAND_IN}"
            for name, where in called.items()
            if name not in known
        ),
        *(
            f"{STAND_IN}: nothing calls {name}"
            for name in known
            if name not in used and _dispatched_as(name) not in known
        ),
    ]


def undocumented(root: Path) -> list[str]:
    """Returns a sentence per macro or test of the stand-in that its YAML does not describe."""
    described = {}
    for path in _files(root / STAND_IN, "macros", suffixes=(".yml", ".yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for macro in document.get("macros", []):
            described[macro["name"]] = macro.get("description")
    known = implemented(root / STAND_IN)
    return [
        f"{STAND_IN}: {name} is not described"
        for name, kind in known.items()
        # dbt keeps a test called <name> as a macro called test_<name>.
        if not described.get(f"test_{name}" if kind == "test" else name)
        and _dispatched_as(name) not in known
    ]


def calls(root: Path) -> dict[str, str]:
    """Returns the names that the project calls of dbt_utils, each with a file that does."""
    files = [
        *(path for name in ("dbt_project.yml",) if (path := root / name).exists()),
        *_files(root, *DBT_FOLDERS, suffixes=(".sql", ".yml", ".yaml")),
    ]
    return {name: str(Path(where).relative_to(root)) for name, where in _calls_in(files).items()}


def implemented(package: Path) -> dict[str, str]:
    """Returns the names that a package defines, each with what it is: 'macro' or 'test'."""
    return {
        name: kind
        for path in _files(package, "macros", "tests", suffixes=(".sql",))
        for kind, name in DEFINITION.findall(_code(path))
    }


def _dispatched_as(name: str) -> str:
    """Returns what <engine>__<name> and <engine>__test_<name> implement: it answers for them."""
    return name.partition("__")[2].removeprefix("test_")


def _calls_in(files: list[Path]) -> dict[str, str]:
    found = {}
    for path in files:
        if path.suffix == ".sql":
            names = CALL.findall(_code(path))
        else:
            names = list(_calls_in_yaml(yaml.safe_load(path.read_text(encoding="utf-8"))))
        found.update(dict.fromkeys(names, str(path)))
    return found


def _calls_in_yaml(value: Any) -> Iterator[str]:
    """Yields generic tests by name, and macros called in Jinja; descriptions may name any."""
    if isinstance(value, list):
        for item in value:
            yield from _calls_in_yaml(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in ("data_tests", "tests"):
                yield from _tests(item)
            yield from _calls_in_yaml(item)
    elif isinstance(value, str) and "{{" in value:
        yield from CALL.findall(value)


def _tests(entries: Any) -> Iterator[str]:
    for entry in entries if isinstance(entries, list) else []:
        names = [entry] if isinstance(entry, str) else [*entry, entry.get("test_name", "")]
        for name in names:
            package, _, test = name.partition(".")
            if package == "dbt_utils":
                yield test


def _files(root: Path, *folders: str, suffixes: tuple[str, ...]) -> list[Path]:
    found = (path for folder in folders for path in (root / folder).rglob("*"))
    return sorted(path for path in found if path.suffix in suffixes)


def _code(path: Path) -> str:
    text = JINJA_COMMENT.sub("", path.read_text(encoding="utf-8"))
    return SQL_COMMENT.sub("", text)


PROJECT = {
    "models/fact.sql": "select {{ dbt_utils.generate_surrogate_key(['a']) }} -- dbt_utils.star()",
    "models/fact.yml": """
models:
  - name: fact
    description: One row per line; dbt_utils.date_spine(...) was of no use here.
    data_tests:
      - dbt_utils.unique_combination_of_columns:
          arguments: {combination_of_columns: [a]}
    columns:
      - name: a
        data_tests: [unique, {test_name: dbt_utils.accepted_range, arguments: {min_value: 0}}]
""",
    "macros/twice.sql": "{# unlike dbt_utils.pivot() #}{% macro twice(c) %}{% endmacro %}",
    f"{STAND_IN}/macros/generate_surrogate_key.sql": """
{%- macro generate_surrogate_key(field_list) -%}
    {{ return(adapter.dispatch('generate_surrogate_key', 'dbt_utils')(field_list)) }}
{%- endmacro %}
{% macro default__generate_surrogate_key(field_list) %}{{ dbt_utils.hash() }}{% endmacro %}
{% macro hash() %}{% endmacro %}
""",
    f"{STAND_IN}/macros/tests.sql": """
{% test unique_combination_of_columns(model, combination_of_columns) %}{% endtest %}
{% test accepted_range(model, column_name, min_value) %}{% endtest %}
{% macro default__test_accepted_range(model, column_name, min_value) %}{% endmacro %}
""",
    f"{STAND_IN}/macros/macros.yml": """
macros:
  - {name: generate_surrogate_key, description: Makes a key.}
  - {name: hash, description: Hashes.}
  - {name: test_unique_combination_of_columns, description: Finds duplicates.}
  - {name: test_accepted_range, description: Finds outliers.}
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose stand-in fits it."""
    for name, text in PROJECT.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_a_fitting_stand_in_passes(project: Path) -> None:
    assert differences(project) == []
    assert undocumented(project) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("analyses/q1.sql", "{{ dbt_utils.missing('a') }}"),
        ("models/dim.yml", "models: [{name: dim, data_tests: [dbt_utils.missing]}]"),
        ("seeds/code.yml", "seeds: [{name: c, config: {post_hook: '{{ dbt_utils.missing() }}'}}]"),
        ("dbt_project.yml", "on-run-end: ['{{ dbt_utils.missing() }}']"),
    ],
)
def test_a_call_without_an_implementation_is_found(project: Path, file: str, text: str) -> None:
    (project / file).parent.mkdir(exist_ok=True)
    (project / file).write_text(text, encoding="utf-8")
    assert differences(project) == [f"{file}: dbt_utils.missing is not in {STAND_IN}"]


def test_an_implementation_that_nothing_calls_is_found(project: Path) -> None:
    (project / "models/fact.sql").write_text("select 1", encoding="utf-8")
    assert differences(project) == [f"{STAND_IN}: nothing calls generate_surrogate_key"]


def test_an_implementation_that_is_not_described_is_found(project: Path) -> None:
    (project / STAND_IN / "macros/macros.yml").write_text("macros: []", encoding="utf-8")
    assert len(undocumented(project)) == 4


def test_the_stand_in_fits_the_project(
    root: Path, expect_none: Callable[[list[str]], None]
) -> None:
    expect_none([*differences(root), *undocumented(root)])
