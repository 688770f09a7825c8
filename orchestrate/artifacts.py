"""What a dbt command of its own did, out of the files that it writes: to be recorded as any run."""

import json
from pathlib import Path
from typing import Any

from common.errors import ConfigurationError
from common.runs import Node

COMMANDS = ("build", "run", "test", "seed", "snapshot", "retry")


def read_nodes(target: Path) -> tuple[list[Node], float]:
    """Returns what dbt built and tested, and in how many seconds, from its target folder.

    Raises ConfigurationError if no command that builds or tests left its result there.
    """
    results, manifest = (_read(target / name) for name in ("run_results.json", "manifest.json"))
    command = results.get("args", {}).get("which", "none that is known")
    if command not in COMMANDS:
        raise ConfigurationError(
            f"{target}: has the result of dbt's command {command}, which builds and tests nothing: "
            f"record one of {', '.join(COMMANDS)}"
        )
    found: dict[str, set[str]] = {}

    def sources(key: str) -> set[str]:
        if key not in found:
            source = manifest["sources"].get(key)
            above = manifest["parent_map"].get(key, [])
            found[key] = {source["source_name"]} if source else set().union(*map(sources, above))
        return found[key]

    nodes = []
    for result in results["results"]:
        key = result["unique_id"]
        # A hook is none of the manifest's nodes by itself.
        node = manifest["nodes"].get(key) or manifest["unit_tests"].get(key)
        if node:
            kind = node["resource_type"]
            nodes.append(
                Node(
                    key=key,
                    kind=kind,
                    name=node["name"],
                    status=result["status"],
                    seconds=result["execution_time"],
                    row_count=count_rows(kind, result["failures"], result["adapter_response"]),
                    message=(result["message"] or "").strip(),
                    sources=" ".join(sorted(sources(key))),
                )
            )
    return nodes, float(results["elapsed_time"])


def count_rows(kind: str, failures: int | None, response: dict[str, Any]) -> int | None:
    """Returns the rows that a node wrote, or a test found; None where dbt did not count."""
    count = failures if kind == "test" else response.get("rows_affected", -1)
    return None if count is None or count < 0 else int(count)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(
            f"{path}: cannot be read: {reason}; name the target folder of a dbt command that ended"
        ) from error
