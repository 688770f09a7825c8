"""The dbt project as a graph, what of it is to be built, and what is known of it without dbt.

Starting dbt takes seconds. What a run needs when nothing is to be built (the compiled answers,
which relations there must be) is kept for each state of the code in target/builds/<code>/, beside
the manifest that dbt compares the next state with.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = ("models", "macros", "seeds", "snapshots", "analyses", "tests", "dbt_packages")
_SUFFIXES = (".sql", ".yml", ".yaml", ".csv", ".md")
# Hooks are nodes, too.
_KINDS = ("model", "seed", "snapshot", "test", "analysis")
# How many states of the code are kept.
_KEPT = 10


def code_digest(database: str) -> str:
    """Returns a digest of all that dbt compiles: files, dbt, the engine, the database's name.

    The same digest means the same SQL, so nothing needs to be parsed or compared.
    """
    engine = os.environ.get("ENGINE") or "postgres"
    digest = hashlib.sha256(f"{version('dbt-core')} {engine} {database}".encode())
    paths = [path for folder in _FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted([*ROOT.glob("*.yml"), *paths]):
        if path.suffix in _SUFFIXES:
            digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# Tag of tests of whole tables, whose findings in new rows other tests find, too.
FULL_RUN = "full_run"
# The source of dbt that is no source of ours, but says how their loads and runs are.
LEDGER = "audit"
# A raw table: its source and its name.
Feed = tuple[str, str]


@dataclass(frozen=True)
class Node:
    """A model, seed, snapshot, test or analysis, and what it depends on, at however many removes.

    `kind` is dbt's resource type, or materialization of a model; `relation` is schema.name; `feeds`
    are raw tables, as source and feed. A test that `is_for_full_runs` (tag full_run) finds nothing
    in new rows that another one would not find.
    """

    selector: str
    kind: str
    relation: str
    above: frozenset[str]
    feeds: frozenset[Feed]
    is_for_full_runs: bool = False

    @property
    def sources(self) -> set[str]:
        """The sources of the feeds."""
        return {source for source, _ in self.feeds}


class Project:
    """The graph of the project's nodes, by dbt's unique ids."""

    def __init__(self, manifest: Any) -> None:
        """Reads it from dbt's manifest."""
        self._manifest = manifest
        self.nodes: dict[str, Node] = {}
        for unique_id, node in manifest.nodes.items():
            if str(node.resource_type) in _KINDS:
                self._add(unique_id)

    def _add(self, unique_id: str) -> Node:
        if unique_id not in self.nodes:
            node = self._manifest.nodes[unique_id]
            above: set[str] = set()
            feeds: set[Feed] = set()
            for other in node.depends_on_nodes:
                if other in self._manifest.sources:
                    table = self._manifest.sources[other]
                    feeds.add((table.source_name, table.name))
                elif other in self._manifest.nodes:
                    above |= {other, *self._add(other).above}
                    feeds |= self._add(other).feeds
            kind = str(node.resource_type)
            has_relation = kind in ("model", "seed", "snapshot") and not node.is_ephemeral
            self.nodes[unique_id] = Node(
                selector=".".join(node.fqn),
                kind=node.config.materialized if kind == "model" else kind,
                relation=f"{node.schema}.{node.identifier}" if has_relation else "",
                above=frozenset(above),
                feeds=frozenset(feeds),
                is_for_full_runs=FULL_RUN in node.tags,
            )
        return self.nodes[unique_id]

    def everything(self) -> set[str]:
        """Returns what dbt builds and tests."""
        return {key for key, node in self.nodes.items() if node.kind != "analysis"}

    def of(self, names: Iterable[str]) -> set[str]:
        """Returns what depends on the sources, and what that needs besides."""
        wanted = set(names)
        below = {key for key in self.everything() if self.nodes[key].sources & wanted}
        return below.union(*(self.nodes[key].above for key in below))

    def of_ledger(self) -> set[str]:
        """Returns what depends on the ledger alone: it says when any source was loaded."""
        return {key for key in self.everything() if self.nodes[key].sources == {LEDGER}}

    def below(self, feeds: set[Feed]) -> set[str]:
        """Returns what new rows of these feeds make it necessary to build or test.

        That is all but the views on nothing but views: they show the new rows by themselves. A view
        on a table is among it, for dbt may replace the table.
        """
        return {
            key
            for key, node in self.nodes.items()
            if node.feeds & feeds
            and node.kind != "analysis"
            and not node.is_for_full_runs
            and (
                node.kind != "view"
                or any(self.nodes[other].kind not in ("view", "seed") for other in node.above)
            )
        }

    def tests_of(self, keys: set[str]) -> set[str]:
        """Returns the tests that look at these nodes."""
        return {
            key for key, node in self.nodes.items() if node.kind == "test" and node.above & keys
        }

    def sources(self, keys: Iterable[str]) -> set[str]:
        """Returns the sources that these nodes depend on."""
        return {source for key in keys if key in self.nodes for source in self.nodes[key].sources}

    def selection(self, keys: set[str]) -> list[str]:
        """Returns how dbt's --select names just these nodes.

        By source and kind where all of such are wanted: dbt takes 10 ms to look for each name.
        Without any test for full runs among them, those are to be excluded (`excluded`).
        """
        named, selection = set(keys), []
        groups: dict[tuple[str, str], set[str]] = {}
        for key, node in self.nodes.items():
            if node.is_for_full_runs and self.excluded(keys):
                continue
            for source, feed in node.feeds:
                groups.setdefault((source, node.kind), set()).add(key)
                groups.setdefault((f"{source}.{feed}", node.kind), set()).add(key)
        # The largest first, and none that adds little.
        for (source, kind), group in sorted(groups.items(), key=lambda each: -len(each[1])):
            if group <= keys and len(group & named) > 1:
                method = "resource_type" if kind in _KINDS else "config.materialized"
                selection.append(f"source:{source}+,{method}:{kind}")
                named -= group
        return selection + sorted(self.nodes[key].selector for key in named)

    def excluded(self, keys: set[str]) -> list[str]:
        """Returns what dbt's --exclude has to name besides."""
        has_any = any(self.nodes[key].is_for_full_runs for key in keys)
        return [] if has_any else [f"tag:{FULL_RUN}"]

    def missing(self, there: set[str]) -> set[str]:
        """Returns the nodes whose relations are not among these."""
        return {
            key for key, node in self.nodes.items() if node.relation and node.relation not in there
        }


@dataclass(frozen=True)
class Answer:
    """An analysis: its name, what it answers, its compiled SQL, and the sources it needs."""

    name: str
    description: str
    sql: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """What is kept of one state of the code.

    `relations` gives the sources of each schema.name, `allowed` the seconds after which a feed of a
    source is stale.
    """

    answers: tuple[Answer, ...]
    relations: dict[str, tuple[str, ...]]
    allowed: dict[str, dict[str, float]]

    def stale(self, ages: Mapping[Feed, float]) -> dict[str, list[str]]:
        """Returns the feeds of each source that brought nothing for longer than allowed.

        `ages` are the seconds since each last did.
        """
        stale: dict[str, list[str]] = {}
        for (source, feed), age in sorted(ages.items()):
            if age > self.allowed.get(source, {}).get(feed, age):
                stale.setdefault(source, []).append(feed)
        return stale

    def answers_of(self, names: Sequence[str]) -> list[Answer]:
        """Returns the answers that need these sources (all if none is named)."""
        return [answer for answer in self.answers if not names or set(answer.sources) & set(names)]

    def missing(self, names: Sequence[str], there: set[str]) -> set[str]:
        """Returns the relations of these sources (all if none is named) that are not there."""
        return {
            relation
            for relation, sources in self.relations.items()
            if relation not in there
            and (not names or set(sources) & set(names) or sources == (LEDGER,))
        }


def folder(code: str) -> Path:
    """Returns where what is known of this state of the code is kept."""
    return Path(os.environ.get("DBT_TARGET_PATH") or ROOT / "target") / "builds" / code


def recall(code: str) -> Known | None:
    """Returns what is known of this state of the code; None if nothing is."""
    try:
        kept = json.loads((folder(code) / "known.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Known(
        answers=tuple(
            Answer(name, description, sql, tuple(sources))
            for name, description, sql, sources in kept["answers"]
        ),
        relations={name: tuple(sources) for name, sources in kept["relations"].items()},
        allowed=kept["allowed"],
    )


def keep(code: str, known: Known) -> None:
    """Keeps what is known of this state of the code, and forgets the oldest states."""
    content = {
        "answers": [
            (answer.name, answer.description, answer.sql, answer.sources)
            for answer in known.answers
        ],
        "relations": known.relations,
        "allowed": known.allowed,
    }
    path = folder(code) / "known.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(content, indent=1), encoding="utf-8")
    aside.replace(path)
    states = sorted(path.parent.parent.iterdir(), key=lambda each: each.stat().st_mtime)
    for old in states[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
