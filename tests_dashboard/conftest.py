"""A warehouse with a small sample, the dashboard on it as a reader, and a browser."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, sync_playwright

from local.postgres import Server
from local.sample import generate
from tests.apart import ask, own_variables

ROOT = Path(__file__).resolve().parent.parent
# The programs that load and build are where dbt is.
PYTHON = ROOT / ".venv" / "bin" / "python"
# A tenth of AdventureWorks: enough for the pictures, and built in half a minute.
SCALE = float(os.environ.get("SCALE") or 0.1)
# A folder with the real files instead, for whoever has them.
REAL_DATA = os.environ.get("REAL_DATA", "")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

Query = Callable[..., list[tuple[Any, ...]]]
Serve = Callable[..., Any]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says loudly that no browser was there: what was skipped was not tested."""
    if find_browser() is None:
        terminalreporter.section("NO BROWSER: THE PAGES WERE NOT TESTED", sep="!", red=True)
        terminalreporter.line(
            "Install Chromium (apt install chromium), or name one: CHROMIUM=/path/to/chromium"
        )


def find_browser() -> str | None:
    """Returns the browser's program: CHROMIUM names it, or it is on PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An empty PostgreSQL server of the tests' own; the variables that point at it."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server.start()
    server.stop()
    server.delete()


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory, server: dict[str, str]) -> dict[str, str]:
    """The environment of the programs: nothing of the developer's own warehouse."""
    home = tmp_path_factory.mktemp("home")
    return {
        **own_variables(),
        **server,
        "BUCKET_URL": REAL_DATA or str(home / "bucket"),
        "DLT_DATA_DIR": str(home / "dlt"),
        "DBT_TARGET_PATH": str(home / "target"),
        "DBT_LOG_PATH": str(home / "logs"),
        "PYTHONPATH": str(ROOT),
    }


def make_sample(bucket: Path) -> None:
    """Writes a small sample, with a torn line and a wrong age."""
    bucket.mkdir()
    generate(SCALE, bucket)
    with next(bucket.rglob("Sales.SalesOrderDetail.csv")).open("ab") as file:
        file.write(b"torn line of somebody called Ada\r\n")
    census = next(bucket.rglob("Adult.data"))
    first, _, rest = census.read_bytes().partition(b"\n")
    # An age that is no number.
    census.write_bytes(b"old" + first[first.index(b",") :] + b"\n" + rest)


@pytest.fixture(scope="session")
def built(variables: dict[str, str]) -> dict[str, str]:
    """The sample, or the real files, loaded and built by `make run`'s command."""
    if not REAL_DATA:
        make_sample(Path(variables["BUCKET_URL"]))
    done = run_module(variables, "orchestrate", "run")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return variables


def run_module(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `python -m ARGUMENTS…`, where dbt is."""
    return subprocess.run(
        [PYTHON, "-m", *arguments],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture(scope="session")
def status(built: dict[str, str]) -> Callable[[], str]:
    """Asks `make status`'s command what is wrong."""
    return lambda: run_module(built, "orchestrate", "status").stdout


@pytest.fixture(scope="session")
def query(server: dict[str, str]) -> Query:
    """Runs one query on the warehouse, as its administrator."""
    return partial(ask, server)


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Serves the dashboard as `make dashboard` does, with these variables; gives its address."""

    @contextmanager
    def run(environment: dict[str, str]) -> Iterator[str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        program = subprocess.Popen(
            [PYTHON, "-m", "dashboard"],
            cwd=ROOT,
            env={**environment, "DASHBOARD_PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 90
            while not _answers(f"{address}/_stcore/health"):
                assert program.poll() is None, program.stdout and program.stdout.read()
                assert time.monotonic() < deadline, "the dashboard does not answer"
                time.sleep(0.2)
            yield address
        finally:
            program.terminate()
            output, _ = program.communicate(timeout=30)
        # What Streamlit could not show in words is in its log.
        assert "Traceback" not in output, output[-5000:]

    return run


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=5) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="session")
def address(serve: Serve, built: dict[str, str]) -> Iterator[str]:
    """The dashboard on the sample, as the role `reader`."""
    with serve(built) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    program = find_browser()
    if program is None:
        pytest.skip("NO BROWSER on PATH, and CHROMIUM names none: the pages were not tested")
    with sync_playwright() as playwright:
        # Its sandbox needs rights that root and containers do not have; it sees our pages only.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()
