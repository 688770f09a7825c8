"""Everything that a reader of the docs site or of psql meets is described: no exceptions."""

import ast
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

Artifact = dict[str, Any]
ExpectNone = Callable[[list[str]], None]

RELATIONS = ("model", "seed", "snapshot")
PLACEHOLDER = re.compile(r"\W*(todo|tbd|fixme|xxx|n/?a)?\W*", re.IGNORECASE)
SIGNATURE = re.compile(r"{%-?\s*(?:macro|test)\s+\w+\s*\((.*?)\)\s*-?%}", re.DOTALL)


def undocumented(manifest: Artifact) -> list[str]:
    """Returns a sentence per thing of the project without a description, columns left out."""
    descriptions = dict(_descriptions(manifest))
    found = [
        f"{name} is not described" for name, text in descriptions.items() if _says_nothing(text)
    ]
    found += [
        f"{node['unique_id']}: a description opens with the grain, 'One row per ...'"
        for node in _ours(manifest, "nodes")
        if node["resource_type"] == "model" and not node["description"].startswith("One row per ")
    ]
    found += [
        f"macro {macro['name']}: argument {argument} is described but does not exist"
        for macro in _ours(manifest, "macros")
        for argument in sorted(_documented(macro) - _arguments(macro["macro_sql"]))
    ]
    if f"doc.{_project(manifest)}.__overview__" not in manifest["docs"]:
        found.append("the docs site opens on dbt's own page: there is no __overview__ doc block")
    return found


def undocumented_columns(manifest: Artifact, catalog: Artifact) -> list[str]:
    """Returns a sentence per column on which the descriptions and the database disagree.

    The catalog also tells whether descriptions reached the database as comments (`persist_docs`).
    """
    found = []
    for kind in ("nodes", "sources"):
        for node in _ours(manifest, kind):
            name = node["unique_id"]
            if kind == "nodes" and not _is_relation(node):
                continue
            if name not in catalog[kind]:
                found.append(f"{name} is not in the database")
                continue
            actual = catalog[kind][name]["columns"]
            found += [
                f"{name}.{column} is not described"
                for column in actual
                if _says_nothing(node["columns"].get(column, {}).get("description"))
            ]
            found += [
                f"{name}.{column} is described but is not in the database"
                for column in node["columns"]
                if column not in actual
            ]
            if kind == "nodes" and not catalog[kind][name]["metadata"]["comment"]:
                found.append(f"{name}: the description did not reach the database")
            if kind == "nodes" and not all(column["comment"] for column in actual.values()):
                found.append(f"{name}: the columns' descriptions did not reach the database")
    return found


def _descriptions(manifest: Artifact) -> Iterator[tuple[str, str]]:
    """Yields the name and the description of everything that should have one."""
    for node in _ours(manifest, "nodes"):
        # A generic test says what it does by its name; a singular one is a query of our own. A hook
        # of dbt_project.yml calls a macro, which has to say it.
        if node.get("test_metadata") is None and node["resource_type"] != "operation":
            yield node["unique_id"], node["description"]
    for node in _ours(manifest, "sources"):
        yield node["unique_id"], node["description"]
        yield f"source {node['source_name']}", node["source_description"]
    for kind in ("exposures", "unit_tests"):
        for node in _ours(manifest, kind):
            yield node["unique_id"], node["description"]
    macros = {macro["name"]: macro for macro in _ours(manifest, "macros")}
    for name, macro in macros.items():
        # <engine>__<name> is how one engine does what <name> promises: described once, there.
        if name.partition("__")[2] in macros:
            continue
        yield f"macro {name}", macro["description"]
        documented = {argument["name"]: argument["description"] for argument in macro["arguments"]}
        for argument in sorted(_arguments(macro["macro_sql"])):
            yield f"macro {name}: argument {argument}", documented.get(argument, "")


def _documented(macro: Artifact) -> set[str]:
    """Returns the arguments that a macro's YAML describes; dbt may list further, empty ones."""
    return {argument["name"] for argument in macro["arguments"] if argument["description"]}


def _arguments(macro_sql: str) -> set[str]:
    """Returns the names of a macro's arguments; those that dbt gives to generic tests left out."""
    found = SIGNATURE.search(macro_sql)
    if found is None:
        return set()
    # Jinja's defaults are, near enough, Python's: its parser then finds the names.
    (function,) = ast.parse(f"def _({found[1]}): pass").body
    assert isinstance(function, ast.FunctionDef)
    names = {argument.arg for argument in function.args.args}
    return names - {"model", "column_name"} if "test" in found[0].split()[:2] else names


def _ours(manifest: Artifact, kind: str) -> list[Artifact]:
    return [n for n in manifest[kind].values() if n["package_name"] == _project(manifest)]


def _project(manifest: Artifact) -> str:
    name: str = manifest["metadata"]["project_name"]
    return name


def _is_relation(node: Artifact) -> bool:
    is_ephemeral = node["config"].get("materialized") == "ephemeral"
    return node["resource_type"] in RELATIONS and not is_ephemeral


def _says_nothing(text: str | None) -> bool:
    return PLACEHOLDER.fullmatch(text or "") is not None


def _node(kind: str, called: str, /, **further: Any) -> Artifact:
    return {
        "unique_id": f"{kind}.shop.{called}",
        "resource_type": kind,
        "package_name": "shop",
        "description": "One row per thing.",
        "config": {},
        "columns": {"id": {"description": "Number."}},
        **further,
    }


def _macro(name: str, sql: str, **arguments: str) -> Artifact:
    documented = [{"name": n, "description": text} for n, text in arguments.items()]
    further = {"name": name, "macro_sql": sql, "arguments": documented}
    return _node("macro", name, **further)


@pytest.fixture
def documented() -> Artifact:
    """A manifest without a gap."""
    nodes = [
        _node("model", "fact"),
        _node("seed", "code"),
        _node("snapshot", "history"),
        _node("analysis", "q1"),
        _node("test", "nothing_lost"),
        _node("test", "unique_fact_id", description="", test_metadata={"name": "unique"}),
        _node("operation", "shop-on-run-end-0", description=""),
    ]
    source = _node("source", "receipt", source_name="till", source_description="The till.")
    macros = [
        _macro("twice", "{% macro twice(column, by=var('x', [1, 2])) -%}", column="C.", by="B."),
        _macro("spark__twice", "{%- macro spark__twice(column, by) %}"),
        _macro("test_positive", "{% test positive(model, column_name, least) %}", least="L."),
    ]
    return {
        "metadata": {"project_name": "shop"},
        "docs": {"doc.shop.__overview__": {}},
        "nodes": {node["unique_id"]: node for node in nodes},
        "sources": {source["unique_id"]: source},
        "exposures": {"exposure.shop.answers": _node("exposure", "answers")},
        "unit_tests": {"unit_test.shop.adds_up": _node("unit_test", "adds_up")},
        "macros": {
            **{macro["unique_id"]: macro for macro in macros},
            "macro.dbt.run": {"package_name": "dbt", "name": "run", "description": ""},
        },
    }


@pytest.fixture
def found_in_database() -> Artifact:
    """The catalog that belongs to it."""
    relation = {"metadata": {"comment": "One row."}, "columns": {"id": {"comment": "Number."}}}
    nodes = ("model.shop.fact", "seed.shop.code", "snapshot.shop.history")
    bare = {"metadata": {"comment": None}, "columns": {"id": {"comment": None}}}
    return {
        "nodes": {name: deepcopy(relation) for name in nodes},
        "sources": {"source.shop.receipt": bare},
    }


def test_a_documented_project_passes(documented: Artifact, found_in_database: Artifact) -> None:
    assert undocumented(documented) == []
    assert undocumented_columns(documented, found_in_database) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("nodes", "model.shop.fact"),
        ("nodes", "seed.shop.code"),
        ("nodes", "snapshot.shop.history"),
        ("nodes", "analysis.shop.q1"),
        ("nodes", "test.shop.nothing_lost"),
        ("sources", "source.shop.receipt"),
        ("exposures", "exposure.shop.answers"),
        ("unit_tests", "unit_test.shop.adds_up"),
        ("macros", "macro.shop.twice"),
        ("macros", "macro.shop.test_positive"),
    ],
)
def test_what_is_not_described_is_found(documented: Artifact, kind: str, name: str) -> None:
    documented[kind][name]["description"] = ""
    last = name.rsplit(".", 1)[-1]
    assert f"{last} is not described" in undocumented(documented)[0]


@pytest.mark.parametrize("text", [" ", "Todo", "tbd.", "n/a", "..."])
def test_a_placeholder_is_no_description(documented: Artifact, text: str) -> None:
    documented["nodes"]["seed.shop.code"]["description"] = text
    assert undocumented(documented) == ["seed.shop.code is not described"]


def test_a_description_without_a_grain_is_found(documented: Artifact) -> None:
    documented["nodes"]["model.shop.fact"]["description"] = "Facts."
    assert "grain" in undocumented(documented)[0]


def test_a_source_system_that_is_not_described_is_found(documented: Artifact) -> None:
    documented["sources"]["source.shop.receipt"]["source_description"] = ""
    assert undocumented(documented) == ["source till is not described"]


@pytest.mark.parametrize(
    ("described", "sentence"),
    [
        (["column"], "macro twice: argument by is not described"),
        (["column", "by", "gone"], "macro twice: argument gone is described but does not exist"),
    ],
)
def test_arguments_that_disagree_with_a_macro_are_found(
    documented: Artifact, described: list[str], sentence: str
) -> None:
    arguments = [{"name": name, "description": "What it is."} for name in described]
    documented["macros"]["macro.shop.twice"]["arguments"] = arguments
    assert undocumented(documented) == [sentence]


def test_a_missing_first_page_is_found(documented: Artifact) -> None:
    documented["docs"] = {"doc.dbt.__overview__": {}}
    assert "__overview__" in undocumented(documented)[0]


@pytest.mark.parametrize("name", ["model.shop.fact", "seed.shop.code", "source.shop.receipt"])
def test_columns_that_disagree_with_the_database_are_found(
    documented: Artifact, found_in_database: Artifact, name: str
) -> None:
    kind = "sources" if name.startswith("source") else "nodes"
    documented[kind][name]["columns"] = {"gone": {"description": "Was here."}}
    assert undocumented_columns(documented, found_in_database) == [
        f"{name}.id is not described",
        f"{name}.gone is described but is not in the database",
    ]


def test_a_relation_that_is_not_in_the_database_is_found(
    documented: Artifact, found_in_database: Artifact
) -> None:
    del found_in_database["nodes"]["seed.shop.code"]
    sentences = undocumented_columns(documented, found_in_database)
    assert sentences == ["seed.shop.code is not in the database"]


def test_descriptions_that_did_not_reach_the_database_are_found(
    documented: Artifact, found_in_database: Artifact
) -> None:
    fact = found_in_database["nodes"]["model.shop.fact"]
    fact["metadata"]["comment"] = fact["columns"]["id"]["comment"] = None
    assert len(undocumented_columns(documented, found_in_database)) == 2


@pytest.mark.warehouse
def test_the_project_is_documented(manifest: Artifact, expect_none: ExpectNone) -> None:
    expect_none(undocumented(manifest))


@pytest.mark.warehouse
def test_every_column_of_the_project_is_documented(
    manifest: Artifact, catalog: Artifact, expect_none: ExpectNone
) -> None:
    expect_none(undocumented_columns(manifest, catalog))
