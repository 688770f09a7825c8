"""The sample bucket: renewed as SCALE asks, and what people put there stays as it is."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local import bucket
from local.bucket import MANIFEST, ensure_sample, smaller_sources

RESIDENTS = "condominium/moradores.csv"
PROPERTIES = "condominium/imoveis.csv"
PERSONS = "adventure_works/person/Person.Person.csv"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The .local of a clone, with a sample of scale 0.001."""
    monkeypatch.setenv("SCALE", "0.001")
    ensure_sample(tmp_path)
    monkeypatch.delenv("SCALE")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def drop(state: Path, path: str, text: str = "somebody's\n") -> Path:
    """Puts a file into the bucket, as a person does."""
    file = state / "bucket" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_another_scale_leaves_what_the_generator_did_not_write(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = [
        drop(state, path)
        for path in (
            "condominium/readings-2024-05.csv",
            "condominium/processed/3/moradores_2.csv",
            "condominium/error/broken.csv",
            "weather/stations.csv",
        )
    ]
    before = contents(state / "bucket")[PERSONS]
    monkeypatch.setenv("SCALE", "0.002")
    folder = ensure_sample(state)
    assert [file.read_text() for file in added] == ["somebody's\n"] * 4
    assert len(contents(folder)[PERSONS]) > len(before)


def test_another_generator_leaves_what_it_did_not_write(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = drop(state, "condominium/readings.csv")
    monkeypatch.setattr(bucket, "_generator", lambda: "a later one")
    (state / "bucket" / PERSONS).unlink()
    folder = ensure_sample(state)
    assert added.read_text() == "somebody's\n"
    assert (folder / PERSONS).exists()


def test_a_scale_that_is_none_is_refused_before_anything_happens(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(state / "bucket")
    for scale in ("abc", "0", "-1", "nan", "1e9"):
        monkeypatch.setenv("SCALE", scale)
        with pytest.raises(ValueError, match="scale must be"):
            ensure_sample(state)
        assert contents(state / "bucket") == before


def test_a_file_of_somebody_in_the_place_of_a_sample_file_wins_and_is_named(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drop(state, RESIDENTS)
    for scale in ("0.001", "0.002"):
        monkeypatch.setenv("SCALE", scale)
        folder = ensure_sample(state)
        assert (folder / RESIDENTS).read_text() == "somebody's\n"
        said = capsys.readouterr().err
        assert RESIDENTS in said
        assert PROPERTIES not in said


def test_a_file_of_somebody_that_a_watch_has_moved_wins_too(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    condominium = state / "bucket" / "condominium"
    drop(state, RESIDENTS)
    for name in ("moradores.csv", "imoveis.csv"):
        (condominium / "processed" / "7").mkdir(parents=True, exist_ok=True)
        (condominium / name).rename(condominium / "processed" / "7" / name)
    monkeypatch.setenv("SCALE", "2")
    folder = ensure_sample(state)
    assert not (folder / RESIDENTS).exists()
    assert RESIDENTS in capsys.readouterr().err
    # The sample's own file was moved like any other; there is a new one now.
    assert (folder / PROPERTIES).exists()


def test_an_interrupted_change_of_scale_is_completed(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drop(state, RESIDENTS)
    replace = Path.replace
    moved: list[Path] = []

    def stop_after_three(self: Path, target: Path) -> Path:
        if target.name != MANIFEST:
            if len(moved) == 3:
                raise KeyboardInterrupt
            moved.append(target)
        return replace(self, target)

    monkeypatch.setenv("SCALE", "0.002")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop_after_three)
        with pytest.raises(KeyboardInterrupt):
            ensure_sample(state)
    folder = ensure_sample(state)
    found = contents(folder)
    assert found.pop(RESIDENTS) == b"somebody's\n"
    assert capsys.readouterr().err.count("\n") == 1
    shutil.rmtree(folder)
    ensure_sample(state)
    whole = contents(folder)
    for path in whole.keys() - {RESIDENTS, MANIFEST}:
        assert found[path] == whole[path]


def test_the_scale_of_the_bucket_that_is_there_is_kept(state: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in state.rglob("*.csv")}
    folder = ensure_sample(state)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.csv")} == before


def test_a_bucket_that_was_removed_is_made_again(state: Path) -> None:
    before = contents(state / "bucket").keys()
    shutil.rmtree(state / "bucket")
    assert contents(ensure_sample(state)).keys() == before


def test_a_sample_that_is_smaller_than_one_before_says_so_of_its_own_sources(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for scale, smaller in (
        ("0.002", []),
        ("0.001", ["adventure_works", "breweries", "census", "condominium"]),
        ("0.002", []),
    ):
        monkeypatch.setenv("SCALE", scale)
        ensure_sample(state)
        assert smaller_sources(state) == smaller
    monkeypatch.setenv("SCALE", "0.001")
    ensure_sample(state)
    # Somebody's file may be a truncated one: it is checked like any other.
    drop(state, "census/more.data")
    assert smaller_sources(state) == ["adventure_works", "breweries", "condominium"]


def test_a_sample_that_somebody_asks_for_replaces_samples_alone(
    tmp_path: Path, run_module: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tmp_path / "condominium").mkdir()
    (tmp_path / RESIDENTS).write_text("somebody's\n")
    sizes = []
    for scale in ("0.001", "0.002"):
        done = run_module("local", "sample", "--scale", scale, "--out", str(tmp_path))
        assert done.returncode == 0
        assert f"kept in {tmp_path}: {RESIDENTS}\n" in done.stderr
        assert RESIDENTS not in done.stdout
        assert (tmp_path / RESIDENTS).read_text() == "somebody's\n"
        sizes.append((tmp_path / PERSONS).stat().st_size)
    assert sizes[0] < sizes[1]
    refused = run_module("local", "sample", "--scale", "0", "--out", str(tmp_path / "new"))
    assert (refused.returncode, (tmp_path / "new").exists()) == (2, False)
