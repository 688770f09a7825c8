"""What is documented, beyond what dbt-bouncer can say of the manifest (`make lint`)."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

Artifact = dict[str, Any]

JINJA_COMMENT = re.compile(r"{#.*?#}", re.DOTALL)
DBT_FOLDERS = ("models", "macros", "seeds", "snapshots", "analyses", "tests")
STAND_IN = "local/dbt_utils"


class Built(Protocol):
    """A warehouse after `dbt build` and `dbt docs generate`, whose artifacts lie in a folder."""

    target_path: Path


@pytest.fixture(scope="module")
def manifest(built_template: Built) -> Artifact:
    """What dbt read out of the project."""
    return _read(built_template.target_path / "manifest.json")


@pytest.fixture(scope="module")
def catalog(built_template: Built) -> Artifact:
    """What dbt found in the database."""
    return _read(built_template.target_path / "catalog.json")


def _read(path: Path) -> Artifact:
    artifact: Artifact = json.loads(path.read_text(encoding="utf-8"))
    return artifact


def _ours(manifest: Artifact, kind: str) -> Iterator[Artifact]:
    for node in manifest[kind].values():
        if node["package_name"] == manifest["metadata"]["project_name"]:
            yield node


@pytest.mark.warehouse
def test_every_column_in_the_database_is_documented(root: Path, built_template: Built) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from dbt_bouncer.main import app; app()", "run"),
            *("--only", "catalog_checks", "--show-all-failures"),
        ],
        cwd=root,
        env={**os.environ, "DBT_PROJECT_DIR": str(built_template.target_path.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.warehouse
def test_every_test_analysis_and_macro_is_described(manifest: Artifact) -> None:
    nodes = [
        *(n for n in _ours(manifest, "nodes") if n["resource_type"] == "analysis"),
        # A generic test says by its name what it does; a singular one is a query of our own.
        *(
            n
            for n in _ours(manifest, "nodes")
            if n["resource_type"] == "test" and n.get("test_metadata") is None
        ),
        *_ours(manifest, "unit_tests"),
    ]
    macros = {macro["name"]: macro for macro in _ours(manifest, "macros")}
    # <engine>__<name> is how one engine does what <name> promises: described once, there.
    nodes += [macro for name, macro in macros.items() if name.partition("__")[2] not in macros]
    assert [n["unique_id"] for n in nodes if len(n["description"].strip()) < 4] == []
    assert f"doc.{manifest['metadata']['project_name']}.__overview__" in manifest["docs"]


@pytest.mark.warehouse
def test_every_exposure_says_whose_it_is_and_where(manifest: Artifact) -> None:
    exposures = list(_ours(manifest, "exposures"))
    assert [e["name"] for e in exposures if not (e["owner"].get("name") and e["url"])] == []
    # A link into the site itself leads to something that is there.
    pages = [e["url"].rpartition("/")[2] for e in exposures if e["url"].startswith("#!/")]
    assert set(pages) <= manifest["nodes"].keys()


@pytest.mark.warehouse
def test_descriptions_reach_the_database(manifest: Artifact, catalog: Artifact) -> None:
    for node in _ours(manifest, "nodes"):
        is_stored = node["config"].get("materialized") != "ephemeral"
        if node["resource_type"] in ("model", "seed", "snapshot") and is_stored:
            relation = catalog["nodes"][node["unique_id"]]
            comments = [c["comment"] for c in relation["columns"].values()]
            assert all([relation["metadata"]["comment"], *comments]), node["unique_id"]


@pytest.mark.warehouse
def test_the_key_of_every_model_is_unique_and_never_null(manifest: Artifact) -> None:
    """A table with a contract has the database refuse a null; a test says it of what else there is.

    As dbt_project_evaluator has it, with one difference: of several columns, one may be null.
    """
    keys: dict[str, set[str]] = {}
    never_null: dict[str, set[str]] = {}
    for node in _ours(manifest, "nodes"):
        if test := node.get("test_metadata"):
            model, column = node["attached_node"], node["column_name"]
            if test["name"] == "unique_combination_of_columns":
                keys.setdefault(model, set())
            elif test["name"] == "unique":
                keys.setdefault(model, set()).add(column)
            elif test["name"] == "not_null":
                never_null.setdefault(model, set()).add(column)
        elif node["config"].get("contract", {}).get("enforced"):
            never_null.setdefault(node["unique_id"], set()).update(
                column["name"]
                for column in node["columns"].values()
                if any(each["type"] == "not_null" for each in column["constraints"])
            )
    models = {n["unique_id"] for n in _ours(manifest, "nodes") if n["resource_type"] == "model"}
    assert models <= keys.keys()
    assert {key for key in keys if keys[key] - never_null.get(key, set())} == set()


def test_no_yaml_file_is_left_of_a_model_that_is_gone(root: Path) -> None:
    described = [p for f in ("models", "seeds") for p in (root / f).rglob("[!_]*.yml")]
    suffixes = (".sql", ".csv")
    assert [p for p in described if not any(p.with_suffix(s).exists() for s in suffixes)] == []


def test_the_stand_in_for_dbt_utils_has_what_is_called(root: Path) -> None:
    """Where the package hub answers, the real package is used, and nothing else would tell."""
    called = {
        name
        for folder in DBT_FOLDERS
        for suffix in ("sql", "yml")
        for path in (root / folder).rglob(f"*.{suffix}")
        for name in re.findall(r"\bdbt_utils\.(\w+)", JINJA_COMMENT.sub("", path.read_text()))
    }
    known = {path.stem.removeprefix("test_") for path in (root / STAND_IN / "macros").glob("*.sql")}
    assert called == known


def test_the_dbt_project_does_not_speak_of_python(root: Path, files: list[Path]) -> None:
    names = ("dbt_project.yml", "packages.yml", "profiles.yml")
    ours = [f for f in files if f.parts[0] in DBT_FOLDERS[:-1] or str(f) in names]
    speaks = re.compile(r"\bpython\b|\w+\.py\b", re.IGNORECASE)
    # Pages for people may tell which command loads the data; code and settings may not care.
    assert [f for f in ours if f.suffix != ".md" and speaks.search((root / f).read_text())] == []
