"""The sample bucket of this clone: what is loaded while no other bucket is named."""

import fcntl
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local import STATE, sample
from local.sample import FOLDERS, generate
from local.sample.population import Population

# What the generator wrote into the bucket. Whatever is not in it belongs to somebody.
MANIFEST = ".sample.json"
# Where the files are made, on the same disk: replacing one is then an atomic rename.
UNFINISHED = ".sample.unfinished"


@dataclass
class _Manifest:
    """`scale` is 0 while files are being replaced; `written` has every version of each path."""

    scale: float = 0
    largest: float = 0
    generator: str = ""
    written: dict[str, list[str]] = field(default_factory=dict)


def ensure_sample(state: Path = STATE) -> Path:
    """Returns the sample bucket's folder, whose files are written first if they are out of date.

    The scale is SCALE in the environment (1 = AdventureWorks' own row counts), or that of the
    bucket that is there. Only files that the generator wrote are replaced: a file that somebody put
    in the place of one wins, which is said on stderr. Raises ValueError for a SCALE that is no
    positive number.
    """
    folder = state / "bucket"
    scale = _scale(os.environ.get("SCALE", ""))
    state.mkdir(parents=True, exist_ok=True)
    with (state / "bucket.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        manifest = _read(folder)
        wanted = scale or manifest.scale or 1.0
        if (manifest.scale, manifest.generator) != (wanted, _generator()):
            _renew(folder, manifest, wanted)
    _say_what_is_kept(folder, manifest)
    return folder


def write_sample(scale: float, folder: Path) -> dict[str, int]:
    """Writes a sample into any folder; returns the rows of each file that is now the sample's.

    A file that is there and that no generator wrote is kept, which is said on stderr. Raises
    ValueError for a scale that is no positive number.
    """
    manifest = _read(folder)
    rows = _renew(folder, manifest, scale)
    kept = _say_what_is_kept(folder, manifest)
    return {path: count for path, count in rows.items() if path not in kept}


def _scale(text: str) -> float:
    """Returns the scale that somebody wrote, 0 if it is none; raises ValueError if it is wrong."""
    if not text:
        return 0
    try:
        scale = float(text)
    except ValueError:
        raise ValueError(f"scale must be a number above 0, got {text}") from None
    Population.at(scale)
    return scale


def _say_what_is_kept(folder: Path, manifest: _Manifest) -> list[str]:
    kept = [path for path in manifest.written if _is_somebodys(folder, path, manifest)]
    if kept:
        print(f"Not the sample's, and kept in {folder}: {', '.join(kept)}", file=sys.stderr)
    return kept


def smaller_sources(state: Path = STATE) -> list[str]:
    """Returns the folders of the bucket that have fewer rows than before because SCALE fell.

    A folder with a file that the generator did not write is not among them: that file may have
    fewer rows for another reason.
    """
    folder = state / "bucket"
    manifest = _read(folder)
    ours = {version for versions in manifest.written.values() for version in versions}
    return [
        name
        for name in FOLDERS
        if manifest.scale < manifest.largest
        and all(_version(path) in ours for path in (folder / name).rglob("*") if path.is_file())
    ]


def _renew(folder: Path, manifest: _Manifest, scale: float) -> dict[str, int]:
    unfinished = folder / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    # In a process of its own: this one makes the server meanwhile, and imports dbt.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        rows = process.submit(generate, scale, unfinished).result()
    for path in rows:
        manifest.written.setdefault(path, []).append(_version(unfinished / path))
    # Before the first file moves: if this is interrupted, the next run knows them all.
    manifest.scale, manifest.largest = 0, max(scale, manifest.largest)
    _write(folder, manifest)
    for path in rows:
        if not _is_somebodys(folder, path, manifest):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (unfinished / path).replace(folder / path)
    manifest.scale, manifest.generator = scale, _generator()
    _write(folder, manifest)
    shutil.rmtree(unfinished)
    return rows


def _is_somebodys(folder: Path, path: str, manifest: _Manifest) -> bool:
    """Whether another file than the generator's is there, or was until a watch moved it away."""
    found = folder / path
    if not found.exists():
        source, rest = path.split("/", 1)
        moved = (folder / source / "processed").glob(f"*/{rest}")
        found = max(moved, key=lambda file: file.stat().st_mtime_ns, default=found)
    return found.exists() and _version(found) not in manifest.written[path]


def _version(path: Path) -> str:
    """Returns what tells a file from others; it survives renaming and costs no reading."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


def _read(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    return _Manifest(**json.loads(path.read_text())) if path.exists() else _Manifest()


def _write(folder: Path, manifest: _Manifest) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f"{MANIFEST}.unfinished"
    aside.write_text(json.dumps(asdict(manifest), indent=1))
    aside.replace(folder / MANIFEST)


def _generator() -> str:
    """Returns a digest of the generator: a sample that an older one wrote is renewed."""
    digest = hashlib.sha256()
    folder = Path(sample.__file__).parent
    for file in sorted([*folder.glob("*.py"), *folder.glob("data/*")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
