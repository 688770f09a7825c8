"""What a benchmark found: as a table, as JSON and as a picture."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from xml.sax.saxutils import escape

from rich.console import Console
from rich.table import Table

MB = 1_000_000


@dataclass
class Contender:
    """One way to do the work, and what it took in each round.

    `share` is the part of the set that it was given: 1, or less where the whole takes too long.
    `missing` says why it could not be measured.
    """

    name: str
    share: float = 1.0
    seconds: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    missing: str = ""

    @property
    def median(self) -> float:
        """Seconds for the whole set; by extrapolation, if it had only a share of it."""
        return median(self.seconds) / self.share


@dataclass(frozen=True)
class Report:
    """All figures of one run. The first loader and the first star are what others are held to."""

    scale: float
    rounds: int
    rows: int
    size_bytes: int
    machine: str
    loaders: list[Contender]
    reruns: list[Contender]
    stars: list[Contender]


def print_tables(report: Report, console: Console) -> None:
    """Prints times, ratios and rates, and what was left out."""
    console.print(
        f"{report.rows:,} rows, {report.size_bytes / MB:,.0f} MB (scale {report.scale:g}); median "
        f"of {report.rounds} rounds, all contenders in turn; {report.machine}",
        highlight=False,
        soft_wrap=True,
    )
    headings = ("load", "seconds", "lowest-highest", "x COPY", "rows/s", "MB/s", "peak MB")
    table = _table(*headings)
    for contender in report.loaders:
        seconds = contender.median if contender.seconds else 0
        table.add_row(
            *_cells(contender, report.loaders[0]),
            f"{report.rows / seconds:,.0f}" if seconds else "",
            f"{report.size_bytes / MB / seconds:,.1f}" if seconds else "",
            f"{contender.peak_bytes / MB:,.0f}" if seconds else "",
        )
    for contender in report.reruns:
        seconds_low_high_ratio = _cells(contender, report.loaders[0])
        table.add_row(*seconds_low_high_ratio, "", "", f"{contender.peak_bytes / MB:,.0f}")
    console.print(table)
    table = _table("star", "seconds", "lowest-highest", "x by hand")
    for contender in report.stars:
        table.add_row(*_cells(contender, report.stars[0]))
    console.print(table)
    for contender in report.loaders:
        if contender.share < 1:
            console.print(
                f"{contender.name}: measured on {contender.share:.3g} of the rows, "
                f"{median(contender.seconds):.1f} s, and extrapolated"
            )


def write(report: Report, folder: Path) -> list[Path]:
    """Writes `scale_N.json` and `scale_N.svg`; returns their paths."""
    stem = folder / f"scale_{report.scale:g}"
    figures = stem.with_name(f"{stem.name}.json")
    document = asdict(report)
    for kind in ("loaders", "reruns", "stars"):
        for contender, entry in zip(getattr(report, kind), document[kind], strict=True):
            entry["median"] = round(contender.median, 3) if contender.seconds else None
            entry["seconds"] = [round(seconds, 3) for seconds in contender.seconds]
    figures.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    picture = stem.with_name(f"{stem.name}.svg")
    picture.write_text(draw(report), encoding="utf-8")
    return [figures, picture]


def draw(report: Report) -> str:
    """Returns a bar chart of rows per second as SVG."""
    measured = [contender for contender in report.loaders if contender.seconds]
    rates = [report.rows / contender.median for contender in measured]
    width, left, bar, top = 820, 270, 30, 56
    height = top + bar * len(measured) + 14
    room = width - left - 190
    size = f'width="{width}" height="{height}"'
    parts = [
        f'<rect {size} fill="#ffffff"/>',
        _text(14, 24, "Rows per second into PostgreSQL", 'font-size="16" font-weight="bold"'),
        _text(
            14,
            43,
            f"{report.rows:,} rows, {report.size_bytes / MB:,.0f} MB in six files; more is better",
        ),
    ]
    for place, (contender, rate) in enumerate(zip(measured, rates, strict=True)):
        y = top + bar * place
        length = max(1.0, room * rate / max(rates))
        colour = "#0969da" if contender.name.startswith("this project") else "#afb8c1"
        box = f'x="{left}" y="{y + 5}" width="{length:.1f}" height="{bar - 10}"'
        about = f"{rate:,.0f} rows/s, {contender.median:,.1f} s"
        if contender.share < 1:
            about += f" (from {contender.share:.2g} of the rows)"
        parts += [
            _text(left - 8, y + 19, contender.name, 'text-anchor="end"'),
            f'<rect {box} fill="{colour}"/>',
            _text(left + length + 6, y + 19, about),
        ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {size} '
        f'font-family="sans-serif" font-size="13" fill="#1f2328">\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str, attributes: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {attributes}>{escape(text)}</text>'


def _table(*headings: str) -> Table:
    table = Table()
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table


def _cells(contender: Contender, limit: Contender) -> tuple[str, str, str, str]:
    if not contender.seconds:
        return contender.name, contender.missing, "", ""
    low, high = min(contender.seconds), max(contender.seconds)
    return (
        contender.name,
        f"{contender.median:,.2f}",
        f"{low / contender.share:,.2f}-{high / contender.share:,.2f}",
        f"{contender.median / limit.median:,.2f}",
    )
