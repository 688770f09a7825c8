"""Draws the model: `python -m tests.diagrams MANIFEST [FOLDER]`, which `make erd` calls.

dbterd reads the relations between tables out of dbt's `relationships` tests, and the columns out of
the contracts; the lineage is the manifest's own. Written below FOLDER, by default the repository:

- docs/diagrams.md: an entity-relationship diagram of the whole and of each domain, in Mermaid,
- docs/diagrams/erd.svg and lineage.svg: pictures for README.md and dbt's documentation site, where
  no Mermaid is drawn.

The same manifest makes the same bytes: tests/quality compares them.
"""

import json
import re
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from dbterd.api import DbtErd

ROOT = Path(__file__).resolve().parent.parent
PAGE = "docs/diagrams.md"
ERD = "docs/diagrams/erd.svg"
LINEAGE = "docs/diagrams/lineage.svg"
# Domains in the order of the pages, what else there is after them; and seeds that belong to one.
FIRST = ("sales", "census", "condominium", "breweries", "operations")
SEEDS = {"breweries": ["exact:seed.elt_warehouse.country_bounding_boxes"]}
INTRODUCTION = """\
Tables of the marts and how they join, as the `relationships` tests and the contracts say.
`make erd` writes this page and the pictures in `docs/diagrams/`; a test fails when they are stale.
What each table and column means: `make docs`."""
LINEAGE_SAYS = """\
From raw tables (grey) over staging (blue) and intermediate models (teal) to the marts: dimensions
(green), facts (orange) and aggregates (violet). Yellow are snapshots; seeds, and lists of what is
wrong with the data, are left out."""
# What feeds a domain of another name; and what of the manifest is a table.
FED_BY = {"adventure_works": "sales", "open_brewery": "breweries", "audit": "operations"}
KINDS = ("source", "model", "snapshot")
# Pictures: layers and kinds of tables by their colours, sizes in pixels.
COLOURS = {
    "stg": "#d7e6fb",
    "int": "#d9f0ee",
    "dim": "#ddf1d8",
    "bridge": "#ddf1d8",
    "fact": "#fde3c2",
    "agg": "#ecdff7",
}
RAW, OTHER = "#e8eaed", "#f4ecc8"
CHARACTER, LINE, PAD, GAP, BETWEEN = 8, 17, 12, 60, 8
# dbterd wants a catalog, too; what it would say, contracts say already.
CATALOG = {
    "metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/catalog/v1.json"},
    "nodes": {},
    "sources": {},
}

Artifact = dict[str, Any]


@dataclass(frozen=True)
class Box:
    """A table in a picture: its name, below it some of its columns."""

    name: str
    rows: tuple[str, ...] = ()
    is_raw: bool = False

    @property
    def colour(self) -> str:
        return RAW if self.is_raw else COLOURS.get(self.name.partition("_")[0], OTHER)

    @property
    def width(self) -> int:
        return max(map(len, (self.name, *self.rows))) * CHARACTER + 16

    @property
    def height(self) -> int:
        return LINE * (1 + len(self.rows)) + 8


@dataclass
class Group:
    """Tables that are drawn together, and lines from a row of one (0 is its name) to another."""

    title: str
    boxes: dict[str, Box] = field(default_factory=dict)
    lines: list[tuple[str, int, str]] = field(default_factory=list)

    def columns(self) -> list[list[Box]]:
        """Returns the boxes from left to right: each right of all that have a line to it."""
        rank: dict[str, int] = {}

        def place(name: str) -> int:
            if name not in rank:
                before = {start for start, _, end in self.lines if end == name}
                rank[name] = max((place(each) + 1 for each in sorted(before)), default=0)
            return rank[name]

        columns: list[list[Box]] = [[] for _ in range(max(map(place, self.boxes)) + 1)]
        height: dict[str, float] = {}
        for number, column in enumerate(columns):
            names = [name for name in sorted(self.boxes) if rank[name] == number]
            # As high as what they come from, so that lines cross seldom.
            for place_in_column, name in enumerate(names):
                before = [height[start] for start, _, end in self.lines if end == name]
                height[name] = sum(before) / len(before) if before else place_in_column
            column += [self.boxes[name] for name in sorted(names, key=lambda n: (height[n], n))]
            height |= {box.name: place for place, box in enumerate(column)}
        return columns


def diagrams(manifest: Path) -> dict[str, str]:
    """Returns the contents of the files, by their paths below the repository."""
    read: Artifact = json.loads(manifest.read_text(encoding="utf-8"))
    # Most of a manifest is macros, which dbterd would check, too, for each diagram.
    nodes = {**read, "macros": {}, "docs": {}, "unit_tests": {}}
    with tempfile.TemporaryDirectory() as artifacts:
        (Path(artifacts) / "manifest.json").write_text(json.dumps(nodes))
        (Path(artifacts) / "catalog.json").write_text(json.dumps(CATALOG))
        models = [n["fqn"] for n in read["nodes"].values() if n["resource_type"] == "model"]
        names = _ordered({fqn[2] for fqn in models if fqn[1] == "marts"})
        domains = {name: json.loads(_dbterd(artifacts, [name], "json")) for name in names}
        mermaid = {name: _mermaid(artifacts, [name]) for name in names}
        whole = _mermaid(artifacts, names, omit_columns=True)
    related = [_tables(name.capitalize(), domain) for name, domain in domains.items()]
    return {
        PAGE: _page(whole, domains, mermaid),
        ERD: svg([group for group in related if group.boxes]),
        LINEAGE: svg(_lineage(read)),
    }


def _ordered(domains: set[str]) -> list[str]:
    return [name for name in FIRST if name in domains] + sorted(domains - set(FIRST))


def _dbterd(artifacts: str, domains: list[str], target: str, **options: Any) -> str:
    rules = [rule for d in domains for rule in (f"schema:marts_{d}", *SEEDS.get(d, []))]
    text: str = DbtErd(
        artifacts_dir=artifacts,
        target=target,
        entity_name_format="table",
        resource_type=["model", "seed"],
        select=rules,
        **options,
    ).get_erd()
    return text


def _mermaid(artifacts: str, domains: list[str], **options: Any) -> str:
    text = _dbterd(artifacts, domains, "mermaid", **options)
    # Mermaid takes no comma in a type, and a table without columns is where its relations are.
    text = re.sub(r"\(\d+,\d+\)", "", text)
    text = re.sub(r'^  "\w+" {\n  }\n', "", text, flags=re.MULTILINE)
    return f"```mermaid\n{text.strip()}\n```"


def _page(whole: str, domains: dict[str, Artifact], mermaid: dict[str, str]) -> str:
    parts = [
        "# Diagrams",
        INTRODUCTION,
        "## Lineage",
        LINEAGE_SAYS,
        "![Lineage](diagrams/lineage.svg)",
        "## All domains",
        "Tables with relations, without their columns.",
        whole,
    ]
    for name, domain in domains.items():
        parts.append(f"## {name.capitalize()}")
        if not domain["edges"]:
            names = sorted(f"`{node['name']}`" for node in domain["nodes"])
            parts.append(f"No relations: {', '.join(names)} stand alone.")
        parts.append(mermaid[name])
    return "\n\n".join(parts) + "\n"


def _tables(title: str, domain: Artifact) -> Group:
    """Returns the tables with relations, each with the columns that join it to others."""
    names = {node["id"]: node["name"] for node in domain["nodes"]}
    joins = sorted(
        (names[edge["from_id"]], edge["from_columns"][0], names[edge["to_id"]])
        for edge in domain["edges"]
    )
    keys: dict[str, list[str]] = defaultdict(list)
    for table, column, _ in joins:
        keys[table].append(column)
    related = sorted({name for table, _, other in joins for name in (table, other)})
    boxes = {name: Box(name, tuple(sorted(keys[name]))) for name in related}
    lines = [(table, 1 + boxes[table].rows.index(c), other) for table, c, other in joins]
    return Group(title, boxes, lines)


def _lineage(manifest: Artifact) -> list[Group]:
    """Returns raw tables and what is made of them up to the marts, a group for each domain."""
    names: dict[str, str] = {}
    groups: dict[str, Group] = {}
    nodes = {**manifest["sources"], **manifest["nodes"]}
    for unique_id, node in nodes.items():
        kind = node["resource_type"]
        if kind in KINDS and node["fqn"][1] != "quality":
            # A snapshot is in no folder of a domain: both are of sales.
            folder = "sales" if kind == "snapshot" else node["fqn"][2]
            name = node["name"]
            names[unique_id] = name
            domain = FED_BY.get(folder, folder)
            group = groups.setdefault(domain, Group(domain.capitalize()))
            group.boxes[name] = Box(name, is_raw=kind == "source")
    for unique_id, name in names.items():
        for group in groups.values():
            parents = {names.get(parent, "") for parent in manifest["parent_map"][unique_id]}
            if name in group.boxes:
                group.lines += [(each, 0, name) for each in sorted(parents & group.boxes.keys())]
    return [groups[name] for name in _ordered(set(groups))]


def svg(groups: list[Group]) -> str:
    """Returns a picture of the groups, one below the other."""
    drawn: list[str] = []
    top, right = PAD, 0
    for group in groups:
        drawn.append(f'<text class="title" x="{PAD}" y="{top + 18}">{escape(group.title)}</text>')
        top += 30
        columns = group.columns()
        heights = [sum(box.height + BETWEEN for box in column) for column in columns]
        # Of each box: left, top, right.
        at: dict[str, tuple[int, int, int]] = {}
        x = PAD
        for column, height in zip(columns, heights, strict=True):
            y = top + (max(heights) - height) // 2
            width = max(box.width for box in column)
            for box in column:
                at[box.name] = (x, y, x + width)
                y += box.height + BETWEEN
            x += width + GAP
        drawn += [_line(at, *line) for line in sorted(set(group.lines))]
        drawn += [_box(box, *at[box.name]) for column in columns for box in column]
        top += max(heights) + PAD
        right = max(right, x - GAP + PAD)
    style = (
        "text{font:12px sans-serif;fill:#1f2328}.title{font-size:15px;font-weight:bold}"
        ".name{font-weight:bold}rect{stroke:#8c959f}path{fill:none;stroke:#8c959f}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right} {top}">',
            f"<style>{style}</style>",
            f'<rect width="{right}" height="{top}" fill="#fff" style="stroke:none"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def _box(box: Box, left: int, top: int, right: int) -> str:
    size = f'width="{right - left}" height="{box.height}"'
    return "\n".join(
        [
            f'<rect x="{left}" y="{top}" {size} rx="4" fill="{box.colour}"/>',
            f'<text class="name" x="{left + 8}" y="{top + LINE}">{escape(box.name)}</text>',
            *(
                f'<text x="{left + 8}" y="{top + LINE * (1 + n)}">{escape(row)}</text>'
                for n, row in enumerate(box.rows, start=1)
            ),
        ]
    )


def _line(at: dict[str, tuple[int, int, int]], start: str, row: int, end: str) -> str:
    _, top, x1 = at[start]
    x2, y2, _ = at[end]
    y1, y2, bend = top + LINE * row + 13, y2 + 13, GAP // 2
    return f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"/>'


def main(manifest: Path, folder: Path = ROOT) -> None:
    """Writes the files."""
    for name, content in diagrams(manifest).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
        print(f"written: {name}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
