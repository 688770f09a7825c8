"""docker-compose.yml and .env.example, which cannot be run in the tests: what they must hold."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY")
REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")
VARIABLE = re.compile(r"(?<!\$)\$\{?(\w+)([^}\s]*)")
ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=([A-Za-z0-9_./:@-]*)")

Compose = dict[str, Any]
Env = dict[str, str]


def problems(compose: Compose, env: Env) -> list[str]:
    """Returns a sentence per thing in a compose file that is unpinned, open, lost or given away."""
    found = []
    published = set()
    for name, service in compose.get("services", {}).items():
        if not re.fullmatch(r"[\w./-]+:v?\d+\.\d[\w.-]*", service.get("image", "")):
            found.append(f"{name}: the image is not pinned to a version")
        if not service.get("healthcheck", {}).get("test"):
            found.append(f"{name}: there is no healthcheck")
        for port in service.get("ports", []):
            address = re.fullmatch(r"127\.0\.0\.1:(\d+):(\d+)", str(port))
            if address is None:
                found.append(f"{name}: port {port} is not bound to 127.0.0.1")
            elif int(address[1]) == int(address[2]):
                found.append(f"{name}: port {port} is not shifted")
            else:
                published.add(address[1])
        found += [
            f"{name}: {volume} is not a named volume"
            for volume in service.get("volumes", [])
            if str(volume).partition(":")[0] not in (compose.get("volumes") or {})
        ]
        if not service.get("volumes"):
            found.append(f"{name}: there is no volume, data would be lost with the container")
        for variable, value in _environment(service).items():
            required = REQUIRED.fullmatch(value)
            if SECRET.search(variable) and (required is None or required[1] != variable):
                found.append(f"{name}: {variable} is not ${{{variable}:?...}}")
    for variable, operator in VARIABLE.findall(_text(compose)):
        if variable not in env:
            found.append(f".env.example does not name {variable}")
        if not operator.startswith(":?"):
            found.append(f"{variable} is not ${{{variable}:?...}}: empty, or a default, would pass")
    for variable, value in env.items():
        if SECRET.search(variable) and value:
            found.append(f".env.example gives {variable} a value")
        port = re.search(r"127\.0\.0\.1:(\d+)", value) if "URL" in variable else None
        port = port or (re.fullmatch(r"(\d+)", value) if variable.endswith("PORT") else None)
        if port and port[1] not in published:
            found.append(f".env.example: {variable} names port {port[1]}, which nothing publishes")
    return found


def read_env(text: str) -> Env:
    """Returns the variables of an env file; ValueError for a line that `. ./.env` would trip on."""
    env = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            assignment = ASSIGNMENT.fullmatch(line)
            if assignment is None:
                raise ValueError(f"a shell would not read as one variable: {line}")
            env[assignment[1]] = assignment[2]
    return env


def _environment(service: Compose) -> Env:
    environment = service.get("environment") or {}
    if isinstance(environment, list):
        environment = dict(entry.split("=", 1) for entry in environment)
    return {variable: str(value) for variable, value in environment.items()}


def _text(compose: Compose) -> str:
    return yaml.safe_dump(compose, width=10_000)


@pytest.fixture
def compose() -> Compose:
    """A compose file without a problem."""
    service = {
        "image": "postgres:18.6-alpine3.23",
        "environment": {"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:?set it}", "S3_BUCKET": "b"},
        "ports": ["127.0.0.1:55432:5432"],
        "volumes": ["data:/var/lib/postgresql"],
        "healthcheck": {"test": ["CMD-SHELL", 'pg_isready -U "$$POSTGRES_USER"']},
    }
    return {"services": {"db": service}, "volumes": {"data": None}}


@pytest.fixture
def env() -> Env:
    """The env file that belongs to it."""
    return {"POSTGRES_PASSWORD": "", "POSTGRES_PORT": "55432", "A_URL": "http://127.0.0.1:55432"}


def test_a_sound_compose_file_passes(compose: Compose, env: Env) -> None:
    assert problems(compose, env) == []


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("image", "postgres", "not pinned"),
        ("image", "postgres:latest", "not pinned"),
        ("image", "postgres:18", "not pinned"),
        ("healthcheck", {}, "no healthcheck"),
        ("ports", ["55432:5432"], "not bound"),
        ("ports", ["0.0.0.0:55432:5432"], "not bound"),
        ("ports", ["127.0.0.1:5432:5432"], "not shifted"),
        ("volumes", ["./data:/var/lib/postgresql"], "not a named volume"),
        ("volumes", [], "no volume"),
        ("environment", {"POSTGRES_PASSWORD": "postgres"}, "POSTGRES_PASSWORD is not"),
        ("environment", ["POSTGRES_PASSWORD=postgres"], "POSTGRES_PASSWORD is not"),
        ("environment", {"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD:-x}"}, "is not"),
        ("environment", {"POSTGRES_PASSWORD": "${POSTGRES_PASSWORD}"}, "is not"),
        ("environment", {"ADMIN_PASSWORD": "${POSTGRES_PASSWORD:?set it}"}, "ADMIN_PASSWORD is"),
        ("command", "serve --password $POSTGRES_PASSWORD", "empty, or a default"),
        ("command", "serve ${WHATEVER:?set it}", "does not name WHATEVER"),
    ],
)
def test_a_flaw_of_a_service_is_found(
    compose: Compose, env: Env, key: str, value: Any, said: str
) -> None:
    flawed = deepcopy(compose)
    flawed["services"]["db"][key] = value
    assert said in " ".join(problems(flawed, env))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("POSTGRES_PASSWORD", "postgres", "gives POSTGRES_PASSWORD a value"),
        ("AWS_SECRET_ACCESS_KEY", "minioadmin", "gives AWS_SECRET_ACCESS_KEY a value"),
        ("POSTGRES_PORT", "5432", "nothing publishes"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9000", "nothing publishes"),
    ],
)
def test_a_flaw_of_the_env_file_is_found(
    compose: Compose, env: Env, variable: str, value: str, said: str
) -> None:
    assert said in " ".join(problems(compose, {**env, variable: value}))


@pytest.mark.parametrize("line", ["A = b", "A=b c", "export A=b", "a", "A=$(id)", "A='b'"])
def test_a_line_that_a_shell_reads_otherwise_is_found(line: str) -> None:
    with pytest.raises(ValueError, match="a shell would not"):
        read_env(f"# comment\n\nB=c\n{line}")


def test_our_compose_file_is_sound(root: Path, expect_none: Callable[[list[str]], None]) -> None:
    compose = yaml.safe_load((root / "docker-compose.yml").read_text(encoding="utf-8"))
    env = read_env((root / ".env.example").read_text(encoding="utf-8"))
    expect_none(problems(compose, env))
    images = [service["image"].partition(":")[0] for service in compose["services"].values()]
    assert images[0] == "postgres"
    assert len(images) == 2
    # From version 18 on, a volume at /var/lib/postgresql/data keeps the image from starting.
    assert compose["services"]["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.compose-spec", "docker-compose.yml"),
        ("vendor.github-workflows", ".github/workflows/ci.yml"),
    ],
)
def test_the_published_schema_accepts_our_file(
    root: Path, tmp_path: Path, schema: str, file: str
) -> None:
    assert _validate(schema, root / file) == ""
    wrong = tmp_path / "wrong.yml"
    text = (root / file).read_text(encoding="utf-8")
    wrong.write_text(re.sub("healthcheck:|runs-on:", "misspelt:", text), encoding="utf-8")
    assert "misspelt" in _validate(schema, wrong)


def _validate(schema: str, path: Path) -> str:
    """Returns what a schema, which comes inside the validator's package, says against a file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_docker_reads_our_compose_file(root: Path) -> None:
    docker = shutil.which("docker")
    version = [docker or "", "compose", "version"]
    if docker is None or subprocess.run(version, capture_output=True, check=False).returncode:
        pytest.skip("there is no docker with compose here; the checks above need none")
    env = read_env((root / ".env.example").read_text(encoding="utf-8"))
    filled = {variable: value or "filled-in" for variable, value in env.items()}
    config = [docker, "compose", "--file", str(root / "docker-compose.yml"), "config", "--quiet"]
    done = subprocess.run(
        config, env={**os.environ, **filled}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
