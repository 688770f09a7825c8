"""Draws an answer as SVG, where it has the shape of a chart: bars by name, or a line by day."""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from html import escape

MOST_BARS = 25
_WIDTH, _HEIGHT, _LABEL, _BAR, _GAP = 720, 220, 240, 22, 4
_LABELS = re.compile(r"(^|_)(id|key|number|year|rank)$")
# A name, and of each number its share of the greatest and how it is shown.
Bar = tuple[str, list[tuple[float, str]]]


def is_label(column: str) -> bool:
    """Whether the name says that numbers in it count nothing: ids, years, ranks."""
    return _LABELS.search(column) is not None


def draw(columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> str:
    """Returns an <svg>; nothing for an answer whose shape is no chart's.

    That is one with as many rows as bars fit, or days; each row has a name of its own, and no
    number is below 0 or missing. Of several numbers the last one is drawn; of shares, all.
    """
    kinds = [{type(row[p]) for row in rows} - {type(None)} for p in range(len(columns))]
    numbers = [
        place
        for place, kind in enumerate(kinds)
        if kind and kind <= {int, Decimal} and not is_label(columns[place])
    ]
    drawn = [place for place in numbers if "share" in columns[place]][:3] or numbers[-1:]
    named = [place for place, kind in enumerate(kinds) if kind <= {str, date}]
    named = named or [place for place in [0] if place not in numbers]
    names = [" · ".join(str(row[p]) for p in named if row[p] is not None) for row in rows]
    values = [[row[place] for place in drawn] for row in rows]
    lengths = [[float(v) if isinstance(v, int | Decimal) else -1.0 for v in row] for row in values]
    most = max((length for row in lengths for length in row), default=0)
    if len(rows) < 2 or len(set(names)) < len(rows) or most <= 0:
        return ""
    if min(length for row in lengths for length in row) < 0:
        return ""
    heads = [columns[place].replace("_", " ") for place in drawn]
    bars = [
        (name, [(length / most, f"{v:,}") for length, v in zip(some, row, strict=True)])
        for name, some, row in zip(names, lengths, values, strict=True)
    ]
    if len(drawn) == len(named) == 1 and kinds[named[0]] == {date} and names == sorted(names):
        return _svg(_HEIGHT, _line(bars), heads)
    if len(bars) > MOST_BARS:
        return ""
    height = (_BAR * len(drawn) + _GAP) * len(bars)
    return _svg(height, _bars(bars), heads)


def _bars(bars: Sequence[Bar]) -> Iterator[str]:
    """Yields the names, and beside each a bar per number with its exact value."""
    room = _WIDTH - _LABEL - 130
    for place, (name, lengths) in enumerate(bars):
        top = (_BAR * len(lengths) + _GAP) * place
        middle = top + _BAR * len(lengths) / 2 + 5
        label = escape(name if len(name) <= 34 else f"{name[:33]}…")
        yield f'<text x="{_LABEL - 8}" y="{middle:.0f}" text-anchor="end">{label}</text>'
        for number, (length, value) in enumerate(lengths):
            y, width = top + _BAR * number, max(1, length * room)
            yield (
                f'<rect class="series{number}" x="{_LABEL}" y="{y + 3}" height="{_BAR - 6}" '
                f'width="{width:.1f}"><title>{escape(name)}: {value}</title></rect>'
                f'<text x="{_LABEL + width + 6:.1f}" y="{y + 16}">{value}</text>'
            )


def _line(bars: Sequence[Bar]) -> Iterator[str]:
    """Yields a line from the first day to the last, and the value of the highest."""
    start, end = date.fromisoformat(bars[0][0]), date.fromisoformat(bars[-1][0])
    days = (end - start).days
    points = [
        (
            10 + (_WIDTH - 20) * (date.fromisoformat(day) - start).days / days,
            _HEIGHT - 30 - length * (_HEIGHT - 60),
        )
        for day, [(length, _)] in bars
    ]
    yield f'<polyline class="line" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
    day, [(_, value)] = max(bars, key=lambda bar: bar[1][0][0])
    x, y = min(points, key=lambda point: point[1])
    anchor = "start" if x < _WIDTH / 2 else "end"
    yield f'<text x="{x:.0f}" y="{y - 8:.0f}" text-anchor="{anchor}">{day}: {value}</text>'
    yield f'<text x="10" y="{_HEIGHT - 8}">{start}</text>'
    yield f'<text x="{_WIDTH - 10}" y="{_HEIGHT - 8}" text-anchor="end">{end}</text>'


def _svg(height: int, parts: Iterable[str], heads: Sequence[str]) -> str:
    legend = "".join(
        f'<span class="series{number}">■</span> {escape(head)} '
        for number, head in enumerate(heads)
    )
    return (
        f'<figure><figcaption>{legend}</figcaption><svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(", ".join(heads))}">{"".join(parts)}</svg></figure>'
    )
