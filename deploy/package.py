"""Builds the function's package: the loader's code and the wheels of requirements-lambda.lock.

Wheels are zip files themselves: their files are put into one, sorted and with one date, so that the
same code and lock file make the same bytes. Nothing is compiled, and nothing is run.
"""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from common.errors import LoadError

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-lambda.lock"
WHEELS = ROOT / ".local" / "wheels"
# What the function imports of this project, and what it reads beside it.
CODE = ("common/*.py", "common/*.sql", "extract/*.py", "extract/*.sql", "extract/*.yml")
HANDLER = ("deploy/__init__.py", "deploy/handler.py", ".dlt/config.toml")
# Lambda runs Python on Amazon Linux 2023, whose glibc (2.34) is newer than these ask for.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# Lambda refuses more.
MAX_BYTES = 250 * 1024 * 1024
# The first day of a zip file's calendar.
DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Package:
    """A built package: where it is, for which Python, its digest and its size unzipped."""

    path: Path
    python: str
    sha256: str
    files: int
    unzipped_bytes: int


def package_path(folder: Path = ROOT / ".local" / "lambda") -> Path:
    """Returns where the package for this Python is, which is the one that its tests run."""
    return folder / f"loader-python{sys.version_info[0]}.{sys.version_info[1]}.zip"


def build(path: Path, wheels: Path = WHEELS) -> Package:
    """Builds the package for this Python version, 64-bit Intel; downloads wheels that are missing.

    Raises LoadError if a wheel cannot be had, or if Lambda would not take the package.
    """
    contents = dict(_own_files())
    for wheel in _download(wheels):
        contents |= _wheel_files(wheel)
    size = sum(map(len, contents.values()))
    if size > MAX_BYTES:
        raise LoadError(f"{path}: {size:,} bytes unzipped, of which Lambda takes {MAX_BYTES:,}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # As a file that everybody may read: the function runs as another user.
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            package.writestr(entry, contents[name])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Package(path, path.stem.rpartition("-")[2], digest, len(contents), size)


def _own_files() -> Iterator[tuple[str, bytes]]:
    for pattern in (*CODE, *HANDLER):
        for path in ROOT.glob(pattern):
            yield path.relative_to(ROOT).as_posix(), path.read_bytes()


def _download(folder: Path) -> list[Path]:
    """Returns the wheels of the lock file, sorted by name."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    # Of each lock file and Python in a folder of their own, so that there are no others in it.
    wheels = folder / f"python{version}-{digest}"
    if not (wheels / "complete").exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--implementation=cp", f"--python-version={version}"]
        command += [f"--platform={platform}" for platform in PLATFORMS]
        command += ["--disable-pip-version-check", f"--dest={wheels}", f"--requirement={LOCK}"]
        if subprocess.run(command, check=False).returncode:  # noqa: S603
            raise LoadError(f"{LOCK.name}: pip cannot download its wheels: see above")
        (wheels / "complete").touch()
    return sorted(wheels.glob("*.whl"))


def _wheel_files(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """Yields what an installation of a wheel would make importable; no scripts."""
    with zipfile.ZipFile(wheel) as content:
        for entry in content.infolist():
            first, *rest = PurePosixPath(entry.filename).parts
            if first.endswith(".data"):
                if rest[0] not in ("purelib", "platlib"):
                    continue
                rest = rest[1:]
                name = PurePosixPath(*rest).as_posix()
            else:
                name = entry.filename
            if not entry.is_dir():
                yield name, content.read(entry)
