"""The rules of dbt_project_evaluator, and this project's own, read off dbt's manifest.

The package itself would add forty models to every build. Its 29 rules are all here, with its own
thresholds (those on documentation in test_documentation.py):

- `layers`: direct joins to a source, several sources joined, source fan-out, unused or duplicate
  sources, marts or intermediate models on sources, staging on staging or on what is downstream
- `shape`: hard-coded references, root models, model fan-out, too many joins, rejoined concepts,
  chains of views
- `covered`: primary keys, test coverage, freshness
- `named`: names of models, folders of models, sources and tests
- `published`: public models without contract, exposures of models that are not public or not stored

An exception is written down below with its reason; one that nothing needs any more is an error too.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

Artifact = dict[str, Any]
Exceptions = dict[tuple[str, str], str]
ExpectNone = Callable[[list[str]], None]

# The rule, and what it is not to be applied to.
EXCEPTIONS: Exceptions = {
    ("shape", "dim_date"): "a calendar is computed, it has no source",
    ("shape", "agg_daily_sales"): "for BI tools and people, who find it by its name",
    ("shape", "stg_adventure_works__rejected_values"): "read by people, when its test warns",
    ("shape", "agg_income_by_age_band"): "for BI tools and people, who find it by its name",
    ("shape", "agg_income_by_sex"): "for BI tools and people, who find it by its name",
    ("shape", "stg_census__rejected_values"): "read by people, when its test warns",
    ("shape", "dim_person"): "the survey is a step of its own, on the rows that it goes back to",
    ("shape", "fact_sales"): "staging says which orders have something new",
    ("shape", "dim_customer_masked"): "for readers, who find it by its name",
    ("covered", "dim_person_masked"): "a view of the rows of a table whose key is tested",
    ("covered", "dim_customer_masked"): "a view of the rows of a table whose keys are tested",
    ("shape", "dim_resident_masked"): "for readers, who find it by its name",
    ("shape", "stg_condominium__rejected_values"): "read by people, when its test warns",
    ("covered", "dim_resident_masked"): "a view of the rows of a table whose key is tested",
    ("covered", "dq_transactions_of_another_condominium"): "a view of rows whose key is tested",
    ("covered", "dq_transactions_before_registration"): "a view of rows whose key is tested",
    ("covered", "stg_condominium__checked_values"): "its rows are tested in the view of them",
    ("layers", "stg_condominium__rejected_values"): "a view of what the next one finds",
    ("layers", "stg_condominium__checked_values"): (
        "lists what the staging models of its source could not cast: it reads the same raw tables"
    ),
    ("shape", "dq_brewery_coordinates_outside_country"): "read by people, when its test warns",
    ("shape", "stg_open_brewery__rejected_values"): "read by people, when its test warns",
    ("covered", "dq_brewery_coordinates_outside_country"): "rows of staging, whose key is tested",
    ("covered", "int_breweries_cleaned"): "becomes dim_brewery, whose key is tested",
    ("covered", "stg_open_brewery__checked_values"): "its rows are tested in the view of them",
    ("layers", "stg_open_brewery__rejected_values"): "a view of what the next one finds",
    ("layers", "open_brewery.breweries"): "its checked values are read from it too",
    ("covered", "stg_adventure_works__checked_values"): "its rows are tested in the view of them",
    ("covered", "stg_census__checked_values"): "its rows are tested in the view of them",
    ("covered", "census.adult"): "the survey is closed: no newer file is to come",
    ("layers", "stg_adventure_works__rejected_values"): "a view of what the next one finds",
    ("layers", "stg_adventure_works__checked_values"): (
        "lists what the staging models of its source could not cast: it reads the same raw tables"
    ),
    ("layers", "stg_census__rejected_values"): "a view of what the next one finds",
    ("layers", "census.adult"): "its values are checked against the casts of its staging model",
}

NAMES = {
    "staging": r"stg_{folder}__[a-z0-9_]+",
    "intermediate": r"int_[a-z0-9]+(_[a-z0-9]+)+",
    "marts": r"(fact|dim|agg|bridge|dq)_[a-z0-9_]+",
}
SNAKE_CASE = re.compile(r"[a-z][a-z0-9]*(_{1,2}[a-z0-9]+)*")
COMMENTS = re.compile(r"{#.*?#}|/\*.*?\*/|--[^\n]*", re.DOTALL)
# `extract(year from a.b)` and `is distinct from a.b` have a column there, not a relation.
NOT_A_RELATION = re.compile(r"extract\s*\([^)]*\)|distinct\s+from", re.IGNORECASE)
HARD_CODED = re.compile(r"\b(?:from|join)\s+(\"?[a-z_]\w*\"?\.\"?\w+)", re.IGNORECASE)
JOIN = re.compile(r"\bjoin\b", re.IGNORECASE)
MAX_PARENTS = 6
MAX_LEAF_CHILDREN = 2
MAX_CHAINED_VIEWS = 5


class Project:
    """The models of a manifest and how they hang together."""

    def __init__(self, manifest: Artifact, exceptions: Exceptions) -> None:
        self.exceptions = exceptions
        self.name: str = manifest["metadata"]["project_name"]
        self.nodes = {
            key: node
            for kind in ("nodes", "sources", "exposures")
            for key, node in manifest[kind].items()
            if node["package_name"] == self.name
        }
        self.models = self.of("model")
        self.children: dict[str, list[str]] = {key: [] for key in self.nodes}
        for key in self.nodes:
            for parent in self.parents(key):
                self.children.setdefault(parent, []).append(key)

    def of(self, *kinds: str) -> dict[str, Artifact]:
        """Returns the nodes of these kinds by id."""
        return {key: n for key, n in self.nodes.items() if n["resource_type"] in kinds}

    def parents(self, key: str, kind: str = "") -> list[str]:
        """Returns the ids that a node reads, of one kind or of any."""
        nodes = self.nodes[key].get("depends_on", {}).get("nodes", [])
        return [parent for parent in nodes if parent.startswith(kind)]

    def used_by(self, key: str, *kinds: str) -> list[str]:
        """Returns the ids of these kinds that read a node."""
        return [k for k in self.children[key] if self.nodes[k]["resource_type"] in kinds]

    def readers(self, key: str) -> list[str]:
        """Returns the ids of all that reads a node, tests left out."""
        return self.used_by(key, "model", "snapshot", "analysis", "exposure")

    def layer(self, key: str) -> str:
        """Returns the layer that a model's folder puts it in, '' for what is not a model."""
        path = self.nodes[key]["original_file_path"] if key in self.models else ""
        return path.split("/")[1] if path.count("/") else ""

    def tests(self, key: str) -> list[Artifact]:
        """Returns the generic tests of a node that stop a build when they fail."""
        return [
            test
            for test in self.of("test").values()
            if test.get("attached_node") == key
            and test["config"].get("severity", "error").lower() == "error"
            and not test["config"].get("where")
        ]

    def tested_columns(self, key: str, test_name: str) -> set[str]:
        """Returns the columns of a node that have a generic test of that name."""
        return {
            test["column_name"]
            for test in self.tests(key)
            if test["test_metadata"]["name"] == test_name and test.get("column_name")
        }


Finding = tuple[str, str]
Rule = Callable[[Project], Iterator[Finding]]


def layers(project: Project) -> Iterator[Finding]:
    """Each source is read by one staging model, which reads nothing else; data flows one way."""
    for key, model in project.models.items():
        layer, name = project.layer(key), model["name"]
        sources = project.parents(key, "source.")
        below = [project.layer(parent) for parent in project.parents(key, "model.")]
        if layer == "staging":
            if len(sources) != 1 or below:
                yield name, "a staging model reads one source and no model"
            if JOIN.search(_code(model)):
                yield name, "a staging model joins nothing"
        elif sources:
            yield name, "only staging reads sources"
        if layer == "intermediate" and "marts" in below:
            yield name, "an intermediate model reads a mart"
    relations: Counter[str] = Counter()
    for key, source in project.of("source").items():
        name = f"{source['source_name']}.{source['name']}"
        relations[source["relation_name"]] += 1
        readers = [project.nodes[k]["name"] for k in project.used_by(key, "model")]
        readers = [reader for reader in readers if ("layers", reader) not in project.exceptions]
        if len(readers) != 1:
            yield name, f"a source is read by one staging model, this one by {readers or 'none'}"
    yield from ((name, "is declared as a source twice") for name, n in relations.items() if n > 1)


def shape(project: Project) -> Iterator[Finding]:
    """Models refer to models and sources, and their graph stays readable and quick."""
    for key, model in project.models.items():
        name, parents = model["name"], project.parents(key)
        for relation in HARD_CODED.findall(NOT_A_RELATION.sub("", _code(model))):
            yield name, f"{relation} is spelt out instead of ref or source"
        if not parents:
            yield name, "reads nothing"
        if len(parents) > MAX_PARENTS:
            yield name, f"reads more than {MAX_PARENTS} relations"
        if not project.readers(key):
            yield name, "nothing reads it: expose it or drop it"
        leaves = [k for k in project.used_by(key, "model") if not project.readers(k)]
        if len(leaves) > MAX_LEAF_CHILDREN:
            yield name, f"more than {MAX_LEAF_CHILDREN} models that nothing reads hang on it"
        for parent in parents:
            between = set(project.used_by(parent, "model")) & set(parents)
            if any(project.used_by(k, "model", "snapshot") == [key] for k in between):
                yield name, f"rejoins {parent}, which it also reads through a model of its own"
        if _views_above(project, key) > MAX_CHAINED_VIEWS:
            yield name, f"stands on a chain of more than {MAX_CHAINED_VIEWS} views"


def covered(project: Project) -> Iterator[Finding]:
    """Keys are tested, of models and of the seeds joined to them; late data is noticed."""
    for key, node in project.of("model", "seed").items():
        unique = project.tested_columns(key, "unique")
        of_several = any(
            test["test_metadata"]["name"] == "unique_combination_of_columns"
            for test in project.tests(key)
        )
        if not of_several and not unique & project.tested_columns(key, "not_null"):
            yield node["name"], "there is no primary-key test (unique and not_null)"
        if project.layer(key) == "marts":
            foreign = {c for c in node["columns"] if c.endswith("_key")} - unique
            for column in sorted(foreign - project.tested_columns(key, "relationships")):
                yield node["name"], f"{column} is a foreign key without a relationships test"
    for source in project.of("source").values():
        freshness = source["freshness"] or {}
        limits = [freshness.get(limit) or {} for limit in ("warn_after", "error_after")]
        clock = source["loaded_at_field"] or source["loaded_at_query"]
        if not clock or not any(limit.get("count") for limit in limits):
            yield f"{source['source_name']}.{source['name']}", "has no freshness"


def named(project: Project) -> Iterator[Finding]:
    """A name tells the layer, the folder and the files."""
    for key, node in project.of("model", "seed", "snapshot", "analysis").items():
        path, name = PurePosixPath(node["original_file_path"]), node["name"]
        if not SNAKE_CASE.fullmatch(name) or node["alias"] != name or path.stem != name:
            yield name, "file, node and relation have one name, in lower snake_case"
        if key in project.models:
            pattern = NAMES.get(project.layer(key), "").format(folder=re.escape(path.parent.name))
            if len(path.parts) != 4 or not re.fullmatch(pattern, name):
                yield name, f"is not named and placed as its layer asks: {path}"
            described_in = (node["patch_path"] or "://").partition("://")[2]
            if described_in != str(path.with_suffix(".yml")):
                yield name, f"is described in {described_in or 'no file'}, not in one of its name"
    for source in project.of("source").values():
        system = source["source_name"]
        if source["original_file_path"] != f"models/staging/{system}/_{system}__sources.yml":
            yield system, f"is declared in {source['original_file_path']}"


def published(project: Project) -> Iterator[Finding]:
    """What consumers build on keeps its promises: contracts, exact types, tables, public access."""
    for key, model in project.models.items():
        is_mart = project.layer(key) == "marts"
        if not model["config"]["contract"]["enforced"] and (is_mart or model["access"] == "public"):
            yield model["name"], "the contract is not enforced"
        for column, about in model["columns"].items() if is_mart else ():
            if re.fullmatch(r"(numeric|decimal)?", (about["data_type"] or "").lower()):
                yield model["name"], f"{column} has no exact type"
    for key, exposure in project.of("exposure").items():
        for parent in project.parents(key):
            node = project.nodes[parent]
            if node["resource_type"] != "model" or node["access"] != "public":
                yield exposure["name"], f"exposes {node['name']}, which is not a public model"
            elif node["config"]["materialized"] in ("view", "ephemeral"):
                yield exposure["name"], f"exposes {node['name']}, which is no table"


RULES: dict[str, Rule] = {
    rule.__name__: rule for rule in (layers, shape, covered, named, published)
}


def violations(manifest: Artifact, exceptions: Exceptions) -> list[str]:
    """Returns a sentence per breach of a rule, and per exception that nothing needs."""
    project = Project(manifest, exceptions)
    found = {rule: list(check(project)) for rule, check in RULES.items()}
    needed = {(rule, name) for rule, findings in found.items() for name, _ in findings}
    return [
        *(
            f"{rule}: {name}: {what}"
            for rule, findings in found.items()
            for name, what in findings
            if (rule, name) not in exceptions
        ),
        *(
            f"{rule}: {name} needs no exception"
            for rule, name in exceptions
            if (rule, name) not in needed
        ),
    ]


def stray_files(root: Path) -> list[str]:
    """Returns a sentence per YAML file beside no model, seed or snapshot of its name."""
    found = []
    for folder in ("models", "seeds", "snapshots"):
        for path in sorted((root / folder).rglob("*.y*ml")):
            # _<system>__sources.yml and its like are about more than one file.
            siblings = [path.with_suffix(suffix) for suffix in (".sql", ".csv")]
            # A snapshot is its YAML file.
            if folder == "snapshots" and f"- name: {path.stem}\n" in path.read_text():
                continue
            if not path.name.startswith("_") and not any(map(Path.exists, siblings)):
                found.append(f"{path.relative_to(root)} describes no file of its name")
    return found


def _views_above(project: Project, key: str) -> int:
    """Returns how many views a model stands on, counting up to the nearest table."""
    views = [
        parent
        for parent in project.parents(key, "model.")
        if project.nodes[parent]["config"]["materialized"] in ("view", "ephemeral")
    ]
    return max((1 + _views_above(project, parent) for parent in views), default=0)


def _code(model: Artifact) -> str:
    return COMMENTS.sub("", model["raw_code"])


def _node(kind: str, folder: str, name: str, *parents: str, **further: Any) -> Artifact:
    path = f"{folder}/{name}.sql"
    about: Artifact = {
        "unique_id": f"{kind}.shop.{name}",
        "resource_type": kind,
        "package_name": "shop",
        "name": name,
        "alias": name,
        "original_file_path": path,
        "patch_path": f"shop://{folder}/{name}.yml",
        "access": "protected",
        "config": {"materialized": "view", "contract": {"enforced": False}},
        "columns": {},
        "depends_on": {"nodes": list(parents)},
        "raw_code": "select 1 as one",
    }
    return {**about, **further}


def _mart(name: str, *parents: str, **columns: str) -> Artifact:
    further = {
        "access": "public",
        "config": {"materialized": "table", "contract": {"enforced": True}},
        "columns": {column: {"data_type": kind} for column, kind in columns.items()},
    }
    return _node("model", "models/marts/sales", name, *parents, **further)


def _test(on: Artifact, test: str, column: str | None = None) -> Artifact:
    further = {
        "attached_node": on["unique_id"],
        "column_name": column,
        "test_metadata": {"name": test},
        "config": {"severity": "ERROR"},
    }
    name = f"{test}_{on['name']}_{column}"
    return _node("test", "models", name, on["unique_id"], **further)


@pytest.fixture
def sound() -> Artifact:
    """A manifest that keeps every rule."""
    source = {
        **_node("source", "models/staging/till", "receipt"),
        "original_file_path": "models/staging/till/_till__sources.yml",
        "source_name": "till",
        "relation_name": "raw_till.receipt",
        "freshness": {"warn_after": {"count": 1, "period": "day"}, "error_after": None},
        "loaded_at_field": "_loaded_at",
        "loaded_at_query": None,
    }
    code = """
        {# not from here.at_all #} select extract(year from r.day) as y -- join nothing.here
        from {{ source('till', 'receipt') }} as r where a is distinct from r.b
    """
    staged = _node(
        "model", "models/staging/till", "stg_till__receipt", "source.shop.receipt", raw_code=code
    )
    summed = _node("model", "models/intermediate/sales", "int_receipt_sum", staged["unique_id"])
    dim = _mart("dim_till", staged["unique_id"], till_key="text")
    fact = _mart(
        "fact_receipt",
        *(node["unique_id"] for node in (summed, dim)),
        receipt_key="text",
        till_key="text",
        total="numeric(19,4)",
    )
    exposure = {**_node("exposure", "models", "answers", fact["unique_id"])}
    nodes = [staged, summed, dim, fact, _node("seed", "seeds", "code")]
    nodes += [
        test
        for node, column in zip(nodes, ("id", "id", "till_key", "receipt_key", "code"), strict=True)
        for test in (_test(node, "unique", column), _test(node, "not_null", column))
    ]
    nodes.append(_test(fact, "relationships", "till_key"))
    return {
        "metadata": {"project_name": "shop"},
        "nodes": {node["unique_id"]: node for node in nodes},
        "sources": {source["unique_id"]: source},
        "exposures": {exposure["unique_id"]: exposure},
    }


def test_a_sound_project_passes(sound: Artifact) -> None:
    assert violations(sound, {}) == []


STAGED, SUMMED = "model.shop.stg_till__receipt", "model.shop.int_receipt_sum"
FACT, DIM = "model.shop.fact_receipt", "model.shop.dim_till"
SOURCE = "source.shop.receipt"
NO_FRESHNESS = {"warn_after": {"count": None}, "error_after": None}


@pytest.mark.parametrize(
    ("key", "change", "rule", "said"),
    [
        (STAGED, {"depends_on": {"nodes": []}}, "layers", "one source and no model"),
        (STAGED, {"depends_on": {"nodes": [SOURCE, FACT]}}, "layers", "one source and no model"),
        (STAGED, {"raw_code": "select 1 from a join b"}, "layers", "joins nothing"),
        (SUMMED, {"depends_on": {"nodes": [SOURCE]}}, "layers", "only staging reads sources"),
        (SUMMED, {"depends_on": {"nodes": [STAGED, DIM]}}, "layers", "reads a mart"),
        (FACT, {"depends_on": {"nodes": [SUMMED, DIM, SOURCE]}}, "layers", "only staging"),
        (FACT, {"raw_code": "select 1 from marts_sales.dim_till"}, "shape", "spelt out"),
        (FACT, {"raw_code": 'select 1 JOIN "raw"."t"'}, "shape", "spelt out"),
        (DIM, {"depends_on": {"nodes": []}}, "shape", "reads nothing"),
        (FACT, {"depends_on": {"nodes": [SUMMED, DIM, *"abcde"]}}, "shape", "more than 6"),
        (FACT, {"depends_on": {"nodes": [SUMMED, DIM, STAGED]}}, "shape", "rejoins"),
        ("exposure.shop.answers", {"depends_on": {"nodes": []}}, "shape", "nothing reads it"),
        (SOURCE, {"freshness": None}, "covered", "no freshness"),
        (SOURCE, {"freshness": NO_FRESHNESS}, "covered", "no freshness"),
        (SOURCE, {"loaded_at_field": None}, "covered", "no freshness"),
        (SOURCE, {"original_file_path": "models/sources.yml"}, "named", "is declared in"),
        (STAGED, {"name": "receipt"}, "named", "one name"),
        (STAGED, {"alias": "other"}, "named", "one name"),
        (STAGED, {"patch_path": "shop://models/all.yml"}, "named", "is described in models/all"),
        (STAGED, {"patch_path": None}, "named", "is described in no file"),
        (FACT, {"access": "protected"}, "published", "not a public model"),
        (
            FACT,
            {"config": {"materialized": "view", "contract": {"enforced": True}}},
            "published",
            "no table",
        ),
        (
            DIM,
            {"config": {"materialized": "table", "contract": {"enforced": False}}},
            "published",
            "contract",
        ),
        (DIM, {"columns": {"price": {"data_type": "numeric"}}}, "published", "no exact type"),
        (DIM, {"columns": {"price": {"data_type": None}}}, "published", "no exact type"),
        (DIM, {"columns": {"shop_key": {"data_type": "text"}}}, "covered", "foreign key"),
    ],
)
def test_a_breach_is_found(
    sound: Artifact, key: str, change: Artifact, rule: str, said: str
) -> None:
    kind = {"source": "sources", "exposure": "exposures"}.get(key.partition(".")[0], "nodes")
    sound[kind][key].update(change)
    found = violations(sound, {})
    assert any(f.startswith(rule) and said in f for f in found), found


@pytest.mark.parametrize(
    "path",
    [
        "models/staging/stg_till__receipt.sql",
        "models/staging/other/stg_till__receipt.sql",
        "models/marts/sales/stg_till__receipt.sql",
        "models/other/sales/stg_till__receipt.sql",
    ],
)
def test_a_misplaced_model_is_found(sound: Artifact, path: str) -> None:
    sound["nodes"][STAGED]["original_file_path"] = path
    assert any("as its layer asks" in sentence for sentence in violations(sound, {}))


@pytest.mark.parametrize("test", ["unique", "not_null"])
@pytest.mark.parametrize("name", ["stg_till__receipt", "code"])
def test_a_missing_primary_key_test_is_found(sound: Artifact, name: str, test: str) -> None:
    column = "id" if name.startswith("stg") else "code"
    del sound["nodes"][f"test.shop.{test}_{name}_{column}"]
    (sentence,) = violations(sound, {})
    assert f"{name}: there is no primary-key test" in sentence


@pytest.mark.parametrize("config", [{"severity": "warn"}, {"where": "id > 0"}])
def test_a_test_that_stops_nothing_is_no_primary_key_test(
    sound: Artifact, config: Artifact
) -> None:
    sound["nodes"]["test.shop.unique_stg_till__receipt_id"]["config"] = config
    assert len(violations(sound, {})) == 1


def test_a_key_of_several_columns_is_a_primary_key(sound: Artifact) -> None:
    nodes = sound["nodes"]
    for test in ("unique", "not_null"):
        del nodes[f"test.shop.{test}_stg_till__receipt_id"]
    nodes["test.shop.several"] = _test(nodes[STAGED], "unique_combination_of_columns")
    assert violations(sound, {}) == []


def test_a_source_that_nothing_or_too_much_reads_is_found(sound: Artifact) -> None:
    other = deepcopy(sound["sources"][SOURCE])
    sound["sources"]["source.shop.other"] = {**other, "name": "other"}
    found = violations(sound, {})
    assert "layers: till.other: a source is read by one staging model, this one by none" in found
    assert "layers: raw_till.receipt: is declared as a source twice" in found
    nodes = sound["nodes"]
    again = _node("model", "models/staging/till", "stg_till__again", SOURCE)
    nodes[again["unique_id"]] = again
    assert any("stg_till__again" in sentence for sentence in violations(sound, {}))


def test_a_fan_of_leaves_is_found(sound: Artifact) -> None:
    for name in ("dim_a", "dim_b", "dim_c"):
        sound["nodes"][f"model.shop.{name}"] = _mart(name, SUMMED)
    assert any("hang on it" in sentence for sentence in violations(sound, {}))


def test_a_chain_of_views_is_found(sound: Artifact) -> None:
    above = STAGED
    for number in range(6):
        view = _node("model", "models/intermediate/sales", f"int_view_{number}", above)
        sound["nodes"][view["unique_id"]] = view
        above = view["unique_id"]
    found = violations(sound, {})
    assert any("int_view_5" in sentence and "chain" in sentence for sentence in found)
    assert not any("int_view_4" in sentence and "chain" in sentence for sentence in found)


def test_an_exception_holds_for_its_rule_and_only_where_needed(sound: Artifact) -> None:
    sound["nodes"][STAGED]["patch_path"] = None
    assert violations(sound, {("named", "stg_till__receipt"): "a reason"}) == []
    assert len(violations(sound, {("shape", "stg_till__receipt"): "a reason"})) == 2


def test_a_yaml_file_without_its_model_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "staging"
    folder.mkdir(parents=True)
    for name in ("a.sql", "a.yml", "gone.yml", "_till__sources.yml"):
        (folder / name).touch()
    assert stray_files(tmp_path) == ["models/staging/gone.yml describes no file of its name"]


def test_no_yaml_file_is_without_its_model(root: Path, expect_none: ExpectNone) -> None:
    expect_none(stray_files(root))


@pytest.mark.warehouse
def test_the_project_keeps_the_rules(manifest: Artifact, expect_none: ExpectNone) -> None:
    expect_none(violations(manifest, EXCEPTIONS))
