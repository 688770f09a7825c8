"""What the entry points use where the environment names nothing: this machine's own.

The one door to this package: programs enter `local_defaults`, and everything below them reads the
environment alone, as it does on a server where all of it is set.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from common.errors import ConfigurationError, LoadError
from common.lakehouse import Lakehouse
from common.warehouse import DEFAULTS, find_warehouse
from local import ROOT, STATE

# The source that has a mock, and the file of a bucket that the mock serves.
MOCKED = "open_brewery"
MOCK_FOLDER = "breweries"
MOCK_FILE = f"{MOCK_FOLDER}/breweries.csv"


class Source(Protocol):
    """What is asked of a source: what it is called, and whether it is an API (not None) or files.

    They are properties, so that a frozen object will do.
    """

    @property
    def name(self) -> str:
        """As in sources.yml."""

    @property
    def api(self) -> object | None:
        """None if the source is files in a bucket."""


@contextmanager
def local_defaults(
    sources: Sequence[Source] = (), database: bool = True, cluster: bool = False
) -> Iterator[None]:
    """Fills in what is unset in the environment, for as long as the context lasts.

    POSTGRES_* become those of the embedded server, which is started, unless no `database` is
    wanted; LAKE_URL becomes .local/lake, LAKEHOUSE_URL .local/lakehouse. For the `sources` that are
    to be loaded, BUCKET_URL becomes the sample bucket, OPEN_BREWERY_URL a mock that this process
    serves, and ACCEPT_SMALLER names those whose sample has fewer rows than before because SCALE
    fell. Prints where each source is read from. With ENGINE=spark, and if a `cluster` is wanted,
    SPARK_HOST and SPARK_PORT become those of this clone's, which is started.

    Raises ConfigurationError if the environment names a server only in part, or SCALE is no
    positive number; LoadError if the server does not start.
    """
    with ExitStack() as stack:
        with ThreadPoolExecutor(max_workers=1) as pool:
            is_ours = database and not _is_database_named()
            # Beside the sample: the first time, each takes a second.
            server = pool.submit(_start_server) if is_ours else None
            origins = _fill_sources(stack, sources)
            if server:
                _fill(stack, server.result())
        _fill(stack, {"LAKE_URL": str(STATE / "lake"), "LAKEHOUSE_URL": str(STATE / "lakehouse")})
        if cluster and os.environ.get("ENGINE") == "spark" and not os.environ.get("SPARK_HOST"):
            _set(stack, start_cluster())
        for name, origin in origins.items():
            print(f"  {name}: {origin}", flush=True)
        yield


def _is_database_named() -> bool:
    named = sorted(name for name in DEFAULTS if os.environ.get(name))
    if named and "POSTGRES_HOST" not in named:
        raise ConfigurationError(
            f"{', '.join(named)} set, but not POSTGRES_HOST: set it too, or none of them to use "
            "the embedded server"
        )
    return bool(named)


def _start_server() -> dict[str, str]:
    from local.postgres import ServerError, this_clone

    try:
        return this_clone().start()
    except ServerError as error:
        raise LoadError(str(error)) from error


def start_cluster() -> dict[str, str]:
    """Starts this clone's Spark cluster over the lakehouse that the environment names.

    Returns SPARK_HOST and SPARK_PORT. Raises LoadError if it does not start.
    """
    from local.postgres import ServerError
    from local.spark import this_cluster

    warehouse = find_warehouse()
    if not isinstance(warehouse, Lakehouse):
        raise ConfigurationError("ENGINE is not spark")
    try:
        return this_cluster().start(warehouse)
    except ServerError as error:
        raise LoadError(str(error)) from error


def _fill_sources(stack: ExitStack, sources: Sequence[Source]) -> dict[str, str]:
    """Sets where the sources are read from, and returns what to say about each."""
    origins = {source.name: _named(source) for source in sources}
    files = [source.name for source in sources if not origins[source.name] and not source.api]
    smaller: list[str] = []
    if files:
        bucket = _sample()
        _fill(stack, {"BUCKET_URL": str(bucket)})
        smaller += [name for name in _smaller() if name in files]
        origins |= dict.fromkeys(files, f"sample in {_shown(bucket)} (BUCKET_URL is not set)")
    if origins.get(MOCKED) == "":
        file = _breweries()
        stack.enter_context(_mock(file))
        if file.is_relative_to(STATE) and MOCK_FOLDER in _smaller():
            smaller.append(MOCKED)
        origins[MOCKED] = f"mock API that serves {_shown(file)} (OPEN_BREWERY_URL is not set)"
    if smaller:
        _fill(stack, {"ACCEPT_SMALLER": " ".join(smaller)})
    for name in smaller:
        origins[name] += "; SCALE fell, so fewer rows than before are accepted"
    return {name: origin or "address of extract/sources.yml" for name, origin in origins.items()}


def _named(source: Source) -> str:
    """Returns where the environment says that a source is; nothing if it does not."""
    prefix = source.name.upper()
    for name in [f"{prefix}_URL"] if source.api else [f"{prefix}_BUCKET_URL", "BUCKET_URL"]:
        url = os.environ.get(name)
        if url:
            return f"{_without_secrets(url)} ({name})"
    return ""


def _without_secrets(url: str) -> str:
    """Returns a URL without what it must not hold; whoever reads from it refuses it later."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    return f"{scheme}://{'…' if '@' in rest else rest.split('?')[0]}"


def _breweries() -> Path:
    """Returns the file to serve: of BUCKET_URL, if that is a folder with one, or the sample's."""
    url = os.environ.get("BUCKET_URL", "")
    if url and not url.startswith("s3://"):
        file = Path(unquote(url.removeprefix("file://"))).expanduser() / MOCK_FILE
        if file.is_file():
            return file
    return _sample() / MOCK_FILE


@contextmanager
def _mock(file: Path) -> Iterator[None]:
    from local.brewery_api import BreweryApi, read_breweries

    try:
        api = BreweryApi(read_breweries(file))
    except (OSError, ValueError) as error:
        raise LoadError(f"{file}: cannot be served: {error}") from error
    with api, ExitStack() as stack:
        _set(stack, {"OPEN_BREWERY_URL": api.url})
        # A proxy of the environment is for what is not on this machine.
        _set(stack, {name: _with_loopback(name) for name in ("NO_PROXY", "no_proxy")})
        yield


def _sample() -> Path:
    from local.bucket import ensure_sample

    try:
        return ensure_sample(STATE)
    except ValueError as error:
        raise ConfigurationError(f"SCALE: {error}") from error


def _smaller() -> list[str]:
    from local.bucket import smaller_sources

    return smaller_sources(STATE)


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _with_loopback(name: str) -> str:
    return ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))


def _fill(stack: ExitStack, variables: dict[str, str]) -> None:
    """Sets those of the variables that are unset or empty, until the stack is closed."""
    _set(stack, {name: value for name, value in variables.items() if not os.environ.get(name)})


def _set(stack: ExitStack, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        before = os.environ.get(name)
        os.environ[name] = value
        if before is None:
            stack.callback(os.environ.pop, name, None)
        else:
            stack.callback(os.environ.__setitem__, name, before)
