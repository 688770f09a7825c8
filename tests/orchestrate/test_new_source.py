"""A new source takes what docs/add-a-feed.md shows, and nothing else: no Python."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from common.warehouse import Warehouse

ROOT = Path(__file__).resolve().parents[2]
# A block of code that opens with the file it is for.
BLOCK = re.compile(
    r"^```(?:yaml|sql)\n(?:#|--) (\S+\.(?:yml|sql))(, at its end:)?\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
READINGS = """\
Meter,ReadOn,KilowattHours
A-1,2025-06-01,10.250
A-1,2025-06-02,11.5
B-7,2025-06-01,l2.5
"""
# The next month: part of the table, beside the first.
MORE_READINGS = """\
Meter,ReadOn,KilowattHours
A-1,2025-07-01,9.75
"""


def test_a_new_source_takes_an_entry_and_sql(
    project: Path,
    tmp_path: Path,
    warehouse: Warehouse,
    environment: dict[str, str],
    query: Callable[[str], list[tuple[Any, ...]]],
) -> None:
    blocks = BLOCK.findall((project / "docs" / "add-a-feed.md").read_text(encoding="utf-8"))
    assert [Path(name).suffix for name, _, _ in blocks] == [".yml", ".yml", ".sql", ".yml"]
    for name, appended, text in blocks:
        path = project / name
        assert path.exists() == bool(appended)
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    bucket = tmp_path / "bucket"
    (bucket / "utilities").mkdir(parents=True)
    (bucket / "utilities" / "readings-2025-06.csv").write_text(READINGS, encoding="utf-8")
    (bucket / "utilities" / "readings-2025-07.csv").write_text(MORE_READINGS, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrate", "run", "utilities"],
        cwd=project,
        env={
            **environment,
            **warehouse.variables(),
            "BUCKET_URL": str(bucket),
            # What dbt remembers of one project is not for another.
            "DBT_TARGET_PATH": str(tmp_path / "target"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 rows of utilities loaded" in done.stdout
    assert query(
        "select kind, status, count(*) from audit.run_nodes where sources = 'utilities' "
        "group by 1, 2 order by 1"
    ) == [("load", "success", 1), ("model", "success", 1), ("test", "pass", 1)]
    # When it was loaded and built is known, though the run was about it alone.
    assert query(
        "select source, row_count, built_at > loaded_at from marts_operations.agg_source_health"
    ) == [("utilities", 4, True)]
    assert query("select * from staging.stg_utilities__reading order by 1, 2") == [
        ("A-1", date(2025, 6, 1), Decimal("10.250")),
        ("A-1", date(2025, 6, 2), Decimal("11.500")),
        ("A-1", date(2025, 7, 1), Decimal("9.750")),
        ("B-7", date(2025, 6, 1), None),
    ]
