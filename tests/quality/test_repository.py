"""Rules on the files of the repository that no linter has: each is one that somebody would miss."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

# Written so that they do not find themselves.
FORBIDDEN = {
    "an index host": re.compile(r"[p]ypi\.\w|python[h]osted\.", re.IGNORECASE),
    "an index": re.compile(r"-index-[u]rl|--find-[l]inks"),
    "a path of one machine": re.compile(r"(?<![\w.$~-])/(?:work|tmp|home|root|Users)/\w"),
    "unfinished work": re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX)\b"),
}
# As code in a text, as a command of a workflow or hook, or at the start of a line.
MAKE = re.compile(r"(?:`|run: |entry: |^ *)make (?:-s )?([a-z-]+)", re.MULTILINE)
PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)(\[[a-z0-9,._-]+\])?==([\w.!+]+)(\s*;\s*.+)?")
# To run, to test, to compare with, in the function, to test that, to ask for metrics, to look at,
# on Spark: each has a .in and a .lock.
TOGETHER = tuple(
    f"requirements{name}"
    for name in ("", "-dev", "-bench", "-lambda", "-deploy", "-metrics", "-dashboard", "-spark")
)
# Airflow has an environment of its own, with its own versions.
LOCKED = (*TOGETHER, "requirements-airflow")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY")


def _text(path: Path) -> str:
    """Returns a file's text; what is not text (a picture) has nothing to say."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def _lines(path: Path) -> list[str]:
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in _text(path).splitlines())
    return [line for line in lines if line]


def test_no_file_names_an_index_or_a_machine_or_unfinished_work(
    root: Path, files: list[Path]
) -> None:
    assert [
        f"{file}:{number}: names {what}: {found[0]}"
        for file in files
        for number, line in enumerate(_text(root / file).splitlines(), start=1)
        for what, pattern in FORBIDDEN.items()
        if (found := pattern.search(line))
    ] == []


@pytest.mark.parametrize("name", LOCKED)
def test_every_dependency_is_pinned_and_locked(root: Path, name: str) -> None:
    lines = _lines(root / f"{name}.lock")
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    asked = {re.split(r"[\[<>=!~; ]", line)[0] for line in _lines(root / f"{name}.in")}
    assert asked - {"-r"} - set(_pins(root, name)) == set()


def test_the_lock_files_agree(root: Path) -> None:
    for one, other in combinations([_pins(root, name) for name in TOGETHER], 2):
        assert {n: (one[n], other[n]) for n in one.keys() & other if one[n] != other[n]} == {}


def _pins(root: Path, name: str) -> dict[str, set[str]]:
    """Returns the versions of each distribution: several, where they depend on Python's."""
    pins: dict[str, set[str]] = {}
    for line in _lines(root / f"{name}.lock"):
        if match := PIN.fullmatch(line):
            pins.setdefault(match[1], set()).add(match[3])
    return pins


def test_every_make_target_that_is_named_exists(root: Path, files: list[Path]) -> None:
    targets = set(re.findall(r"^([\w-]+):(?!=)", _text(root / "Makefile"), re.MULTILINE))
    documents = [f for f in files if f.suffix in (".md", ".yml", ".yaml") or f.parts[0] == ".ci"]
    named = {(str(f), target) for f in documents for target in MAKE.findall(_text(root / f))}
    assert {(file, target) for file, target in named if target not in targets} == set()


def test_workflows_run_what_people_run_and_may_only_read(root: Path) -> None:
    for path in (root / ".github/workflows").glob("*.yml"):
        workflow = yaml.safe_load(_text(path))
        assert workflow["permissions"] == {"contents": "read"}, path
        for step in (step for job in workflow["jobs"].values() for step in job["steps"]):
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step.get("uses", "a/b@v1.0.0"))
            assert step.get("run", "make").startswith(("make", "bash .ci/run")), path


def test_the_containers_are_pinned_healthy_and_reached_from_here_only(root: Path) -> None:
    compose = yaml.safe_load(_text(root / "docker-compose.yml"))
    for name, service in compose["services"].items():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d[\w.-]*", service["image"]), name
        assert service["healthcheck"]["test"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert {str(v).partition(":")[0] for v in service["volumes"]} <= set(compose["volumes"])
        for variable, value in service["environment"].items():
            if SECRET.search(variable):
                assert value.startswith(f"${{{variable}:?"), f"{name}: {variable} has a default"


def test_the_example_of_an_environment_fits_the_containers(root: Path) -> None:
    compose: dict[str, Any] = yaml.safe_load(_text(root / "docker-compose.yml"))
    # A shell reads every line as one variable.
    lines = [line for line in _text(root / ".env.example").splitlines() if line and line[0] != "#"]
    assignments = [re.fullmatch(r"([A-Z][A-Z0-9_]*)=([A-Za-z0-9_./:@-]*)", line) for line in lines]
    assert all(assignments), lines
    env = {found[1]: found[2] for found in assignments if found}
    asked = re.findall(r"(?<!\$)\$\{(\w+):\?", yaml.safe_dump(compose, width=10_000))
    assert set(asked) <= set(env)
    assert [name for name, value in env.items() if SECRET.search(name) and value] == []
    published = {p.split(":")[1] for s in compose["services"].values() for p in s["ports"]}
    assert {env["POSTGRES_PORT"], env["AWS_ENDPOINT_URL"].rpartition(":")[2]} == published
