"""Watches as users start them: ticks of the census, drops of a condominium, and what ends them."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from common.errors import FileError, LoadError
from common.runs import Run
from common.warehouse import Warehouse
from extract.declaration import read_sources
from extract.load import FileResult, LoadResult
from orchestrate import watch as watch_module
from orchestrate.errors import DbtError
from orchestrate.health import examine
from orchestrate.watch import Clock, stopped_by_signals, watch_batches, watch_drops

ROOT = Path(__file__).resolve().parents[2]
Query = Callable[[str], list[tuple[Any, ...]]]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(warehouse: Warehouse, environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts `python -m orchestrate watch` on the test's bucket and warehouse."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [sys.executable, "-u", "-m", "orchestrate", "watch", *arguments],
                cwd=ROOT,
                env={**environment, **warehouse.variables(), "BUCKET_URL": str(tmp_path)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Returns what it prints up to a line with these words."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or words not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], f"it ended without: {words}"
    return "".join(lines)


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def census(folder: Path) -> list[bool]:
    """Writes two files of 29 and 9 records; returns of each whether its income is high."""
    (folder / "census").mkdir()
    high = []
    for file, count in (("Adult.data", 29), ("Adult.test", 9)):
        lines = ["|1x3 Cross validator"] if file == "Adult.test" else []
        for number in range(count):
            high.append(number % 3 == 0)
            income = (">50K" if high[-1] else "<=50K") + ("." if file == "Adult.test" else "")
            lines.append(
                f"{20 + number}, Private, {1000 + number}, Bachelors, 13, Divorced, Sales, "
                f"Unmarried, White, Female, 0, 0, 40, Cuba, {income}"
            )
        (folder / "census" / file).write_text("\n".join(lines) + "\n\n")
    return high


@pytest.mark.nightly
def test_ticks_go_on_after_a_kill_and_end_when_all_is_there(
    tmp_path: Path, start: Start, query: Query, warehouse: Warehouse
) -> None:
    high = census(tmp_path)
    arguments = ("census", "--every", "1s", "--batch", "6")
    killed = start(*arguments)
    assert "tests passed" in read_until(killed, "tick 1: 6 records of Adult.data;")
    assert query("select count(*) from marts_census.fact_census_response") == [(6,)]
    read_until(killed, "tick 2: ")
    # Into a tick, more often than not.
    time.sleep(1.02)
    killed.kill()
    killed.wait()
    ((taken,),) = query("select count(*) from raw_census.adult")
    assert taken in (12, 18, 24)
    (trouble,) = examine(warehouse, [], None).troubles
    assert (trouble.key, trouble.reason) == ("watch census", "interrupted")
    code, output, errors = end(start(*arguments))
    assert (code, errors) == (0, "")
    ticks = [line for line in output.splitlines() if line.startswith("tick ")]
    assert len(ticks) == (len(high) - taken) // 6 + 1
    assert "tick 1: 6 records of Adult.data; load " in ticks[0]
    assert any("5 records of Adult.data, 1 records of Adult.test; load" in tick for tick in ticks)
    assert output.count("tests passed") == 2, "all is built and tested at both ends"
    assert query(
        """
        select count(*), count(distinct (source_file, source_line)),
            count(*) filter (where is_above_50k)
        from marts_census.fact_census_response
        """
    ) == [(len(high), len(high), sum(high))]


def test_drops_are_built_as_they_come(
    tmp_path: Path, small_bucket: Path, start: Start, query: Query
) -> None:
    folder = tmp_path / "condominium"
    folder.mkdir()
    watch = start("condominium", "--every", "500ms", "--settle", "200ms")

    def drop(*names: str) -> None:
        for name in names:
            (folder / name).write_bytes((small_bucket / "condominium" / name).read_bytes())

    # Those that refer to others come before them.
    drop("transacoes.csv", "moradores.csv")
    (folder / "notes.txt").write_text("Ask Ana.")
    (folder / "imoveis.csv").write_text("tipo\nCasa\n")
    output = read_until(watch, "slowest")
    for text in (
        "transacoes.csv: 22 records of transacoes.csv; now processed/",
        "moradores.csv: 39 records of moradores.csv; now processed/",
        "imoveis.csv: column condominio_id, valor is missing",
        "now error/imoveis.csv",
    ):
        assert text in output
    transactions = [
        line.split(",")[3]
        for line in (small_bucket / "condominium" / "transacoes.csv").read_text().split("\n")[1:]
        if line
    ]
    total = sum(map(Decimal, transactions))
    report = """
        select bool_and(condominium_id > 0), sum(transaction_count), sum(total_amount)
        from marts_condominium.agg_transactions_by_condominium
    """
    assert query(report) == [(False, 22, total)]
    drop("imoveis.csv", "condominios.csv")
    output = read_until(watch, "slowest")
    if "condominios.csv" not in output or "imoveis.csv" not in output:
        read_until(watch, "slowest")
    assert query(report) == [(True, 22, total)]
    # The same content again: nothing to build.
    (folder / "imoveis copy.csv").write_bytes(
        (small_bucket / "condominium" / "imoveis.csv").read_bytes()
    )
    assert "Build" not in read_until(watch, "imoveis copy.csv: loaded before; now processed/")
    # In the middle of a tick.
    (folder / "moradores.csv").write_text("nome,condominio_id,data_registro\n" * 40)
    read_until(watch, "now processed/")
    watch.send_signal(signal.SIGTERM)
    code, output, errors = end(watch)
    assert (code, errors) == (0, "")
    assert "tests passed" in output
    names = (path.name for path in folder.iterdir() if not path.name.startswith("."))
    assert sorted(names) == ["error", "notes.txt", "processed"]


def test_a_second_signal_ends_at_once() -> None:
    # As in a terminal: what a shell starts in the background ignores the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with stopped_by_signals() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.wait(1)
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["census"], "census: extract/sources.yml declares no landing folder for it; to load its"),
        (["census", "--batch", "0"], "argument --batch: invalid number value: '0'"),
        (["census", "--batch", "5", "--every", "0s"], "--every: ticks need some time in between"),
        (["census", "--batch", "5", "--every", "soon"], "argument --every: invalid seconds value"),
        (["census", "--batch", "5", "--ticks", "-1"], "argument --ticks: invalid number value"),
        (["adventure_works", "--batch", "5"], "sales_order_header has files of changes, which"),
        (["open_brewery", "--batch", "5"], "open_brewery: is an API, which cannot be watched"),
        (["nothing"], "nothing: no such source; declared: adventure_works"),
        ([], "the following arguments are required: SOURCE"),
    ],
)
def test_wrong_usage_is_named(
    arguments: list[str],
    reason: str,
    warehouse: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from orchestrate.__main__ import main

    for name, value in warehouse.variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BUCKET_URL", "/nowhere")
    try:
        code = main(["watch", *arguments])
    except SystemExit as exit_:
        code = int(str(exit_.code))
    assert code == 2
    assert reason in capsys.readouterr().err


class Ticks:
    """A clock whose time passes only while it is waited for, or a tick says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, every: float, limit: int | None) -> None:
        self.now = 100.0
        self.printed = io.StringIO()
        self.begins: list[float] = []
        monkeypatch.setattr("orchestrate.watch.time.monotonic", lambda: self.now)
        clock = self

        class Event(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                clock.now += timeout or 0
                return self.is_set()

        self.clock = Clock(every, limit, Event(), Console(file=self.printed, width=120))

    def run(self, took: Sequence[float]) -> list[float]:
        """Returns when ticks began that took so long."""
        for tick in self.clock.ticks():
            self.begins.append(round(self.now - 100, 6))
            self.now += took[tick - 1]
            if tick == len(took):
                self.clock.stop.set()
        return self.begins


def test_ticks_begin_on_the_beat_whatever_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = Ticks(monkeypatch, 10, None)
    assert ticks.run([0, 9.9, 3, 0.1]) == [0, 10, 20, 30]
    assert ticks.printed.getvalue() == ""


def test_an_overrun_is_told_and_beats_that_passed_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticks = Ticks(monkeypatch, 10, None)
    assert ticks.run([1, 12, 1, 35.5, 10, 11]) == [0, 10, 30, 40, 80, 100]
    told = ticks.printed.getvalue().splitlines()
    assert told == [
        "  overrun: tick 2 took 12.0 s where 10 s are allowed; 1 skipped",
        "  overrun: tick 4 took 35.5 s where 10 s are allowed; 3 skipped",
        "  overrun: tick 5 took 10.0 s where 10 s are allowed; 1 skipped",
        "  overrun: tick 6 took 11.0 s where 10 s are allowed; 1 skipped",
    ]


def test_the_last_of_so_many_ticks_is_told_of_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = Ticks(monkeypatch, 0.5, 2)
    assert ticks.run([0.1, 0.7, 0.1]) == [0, 0.5]
    assert "tick 2 took 0.7 s where 0.5 s are allowed" in ticks.printed.getvalue()


class Script:
    """Stands in for steps and dbt: says what happened, does what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, loads: list[object]) -> None:
        self.done: list[str] = []
        self.builds: list[object] = []
        self._loads = loads
        self.record = Run()
        monkeypatch.setattr(watch_module, "MicroBatches", lambda *_: self)
        monkeypatch.setattr(watch_module, "start_dbt", lambda: None)
        monkeypatch.setattr(watch_module, "build", lambda *_: self._build("build"))
        monkeypatch.setattr(watch_module, "_refresh", lambda *_: self._build("refresh"))

    def prepare(self) -> None:
        self.done.append("prepare")

    def load_next(self) -> LoadResult:
        load = self._loads.pop(0)
        if isinstance(load, Exception):
            raise load
        assert isinstance(load, int)
        return LoadResult("census", "", (FileResult("adult", "Adult.data", load),), 0.1)

    def _build(self, kind: str) -> bool:
        self.done.append(kind)
        outcome = self.builds.pop(0) if self.builds else True
        if isinstance(outcome, Exception):
            raise outcome
        return bool(outcome)

    def close(self) -> None:
        self.done.append("close")

    def load(self) -> str:
        """What is recorded of the last load."""
        return self.record.nodes["load.census"].status

    def watch(self, limit: int | None = None) -> int:
        clock = Clock(0.001, limit, threading.Event(), Console(file=io.StringIO()))
        nowhere = Warehouse("", 0, "", "", "")
        return watch_batches(read_sources()["census"], nowhere, Console(), clock, 5, self.record)


def test_what_may_pass_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(monkeypatch, [5, LoadError("away"), 5, 5, 5, 5, 2])
    script.builds = [True, True, DbtError("no server"), True, False]
    assert script.watch() == 0
    ticks = ["refresh", "refresh", "build", "refresh", "build", "refresh"]
    assert script.done == ["prepare", "build", *ticks, "build", "close"]
    said = capsys.readouterr()
    assert "error: away (will be retried)" in said.err
    assert "error: no server (will be retried)" in said.err
    assert said.out.count("failed") == 2


def test_a_last_build_that_fails_is_told_by_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(monkeypatch, [5, 5, 0])
    script.builds = [True, True, True, True, False]
    assert script.watch() == 1
    assert script.done == ["prepare", "build", *["refresh"] * 3, "build", "close"]


def test_a_broken_file_is_told_of_on_every_tick_until_it_is_mended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(monkeypatch, [5, FileError("broken"), FileError("broken"), 5, 0])
    assert script.watch() == 0
    assert script.done == ["prepare", "build", *["refresh"] * 3, "build", "close"]
    assert capsys.readouterr().err.count("error: broken (will be retried)") == 2
    assert script.load() == "success"


def test_a_watch_that_ends_with_a_broken_file_says_so_by_its_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script(monkeypatch, [5, FileError("broken")])
    assert script.watch(limit=2) == 1
    assert script.load() == "error"


def test_what_nobody_foresaw_ends_no_watch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = Script(monkeypatch, [5, ValueError("odd"), 5, 0])
    script.builds = [True, KeyError("strange"), True, True, True]
    assert script.watch() == 0
    said = capsys.readouterr().err
    assert "error: ValueError: odd (will be retried)" in said
    assert "error: KeyError: 'strange' (will be retried)" in said


def test_a_short_file_is_taken_when_it_is_moved_back_under_the_flag(
    monkeypatch: pytest.MonkeyPatch, warehouse: Warehouse, tmp_path: Path, query: Query
) -> None:
    monkeypatch.setenv("BUCKET_URL", str(tmp_path))
    monkeypatch.setattr(watch_module, "start_dbt", lambda: None)
    monkeypatch.setattr(watch_module, "build", lambda *_: True)
    folder = tmp_path / "condominium"
    folder.mkdir()
    source = read_sources()["condominium"]

    def drop(count: int) -> None:
        lines = [f"Ana {number},1,2024-01-01" for number in range(count)]
        text = "\n".join(["nome,condominio_id,data_registro", *lines]) + "\n"
        (folder / "moradores.csv").write_text(text)

    def watch(accept_smaller: bool) -> None:
        clock = Clock(0.01, 3, threading.Event(), Console(file=io.StringIO()))
        watch_drops(source, warehouse, Console(), clock, 0.001, Run(), accept_smaller)

    drop(10)
    watch(False)
    drop(3)
    watch(False)
    rows = "select count(*) from raw_condominium.moradores"
    assert query(rows) == [(10,)]
    reason = (folder / "error" / "moradores.csv.txt").read_text()
    assert "python -m orchestrate watch condominium --accept-smaller" in reason
    assert "move it back" in reason
    (folder / "error" / "moradores.csv").rename(folder / "moradores.csv")
    watch(False)
    assert query(rows) == [(10,)]
    (folder / "error" / "moradores.csv").rename(folder / "moradores.csv")
    watch(True)
    assert query(rows) == [(3,)]
    assert not (folder / "moradores.csv").exists()
