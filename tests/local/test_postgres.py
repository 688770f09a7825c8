"""The embedded server: safe to reach, and back on its feet after whatever happened to it."""

import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import psycopg2.extensions
import pytest

from local.postgres import Server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "state")
    yield server
    server.stop()
    server.delete()


def connect(
    env: dict[str, str], port: str | None = None, password: str | None = None
) -> psycopg2.extensions.connection:
    return psycopg2.connect(
        host=env["POSTGRES_HOST"],
        port=port or env["POSTGRES_PORT"],
        user=env["POSTGRES_USER"],
        password=env["POSTGRES_PASSWORD"] if password is None else password,
        dbname=env["POSTGRES_DB"],
    )


def run(env: dict[str, str], sql: str) -> list[tuple[object, ...]]:
    with closing(connect(env)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
        return rows


def listeners(env: dict[str, str]) -> set[tuple[str, int | None]]:
    """Returns address and pid of each process that listens on the server's port."""
    return {
        (item.laddr.ip, item.pid)
        for item in psutil.net_connections("tcp")
        if item.status == psutil.CONN_LISTEN
        and item.laddr
        and item.laddr.port == int(env["POSTGRES_PORT"])
    }


def postmaster(env: dict[str, str]) -> int:
    ((_, pid),) = listeners(env)
    assert pid is not None
    return pid


def test_listens_on_loopback_only_and_asks_for_the_password(own_server: Server) -> None:
    env = own_server.start()
    assert {address for address, _ in listeners(env)} == {"127.0.0.1"}
    for password in ("", "wrong"):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            connect(env, password=password)
    assert stat.S_IMODE(own_server.env_file.stat().st_mode) == 0o600


def test_starting_twice_is_one_server_and_stopping_twice_is_none(own_server: Server) -> None:
    env = own_server.start()
    pid = postmaster(env)
    assert own_server.start() == env
    assert postmaster(env) == pid
    assert own_server.stop() is True
    assert own_server.stop() is False
    assert own_server.start() == env


def test_it_has_the_roles_of_the_warehouse(own_server: Server) -> None:
    roles = "select rolname, rolcanlogin from pg_roles where rolname !~ '^pg_' order by rolname"
    assert run(own_server.start(), roles) == [
        ("loader", False),
        ("reader", False),
        ("transformer", False),
        ("warehouse", True),
    ]


def test_committed_rows_survive_a_crash(own_server: Server) -> None:
    env = own_server.start()
    run(env, "create table kept as select 42 as answer")
    os.kill(postmaster(env), signal.SIGKILL)
    assert run(own_server.start(), "select answer from kept") == [(42,)]


def test_a_pid_file_with_the_pid_of_another_process_is_stale(own_server: Server) -> None:
    env = own_server.start()
    run(env, "create table kept as select 42 as answer")
    pid_file = Path(str(run(env, "show data_directory")[0][0])) / "postmaster.pid"
    pid = postmaster(env)
    os.kill(pid, signal.SIGKILL)
    while psutil.pid_exists(pid):
        time.sleep(0.05)
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    assert run(own_server.start(), "select answer from kept") == [(42,)]


def test_a_port_that_was_taken_meanwhile_is_replaced(own_server: Server) -> None:
    env = own_server.start()
    own_server.stop()
    with socket.create_server(("127.0.0.1", int(env["POSTGRES_PORT"]))):
        moved = own_server.start()
        assert moved["POSTGRES_PORT"] != env["POSTGRES_PORT"]
        assert run(moved, "select 1") == [(1,)]


def test_two_clones_do_not_collide(own_server: Server, server: Server) -> None:
    one, other = own_server.start(), server.start()
    assert one["POSTGRES_PORT"] != other["POSTGRES_PORT"]
    assert one["POSTGRES_PASSWORD"] != other["POSTGRES_PASSWORD"]
    with pytest.raises(psycopg2.OperationalError):
        connect(one, port=other["POSTGRES_PORT"])


def test_an_interrupted_first_start_is_repeated(own_server: Server) -> None:
    env = own_server.start()
    own_server.stop()
    data = Path(own_server.env_file.parent)
    own_server.delete()
    (data / "postgres").mkdir(exist_ok=True)
    (data / "postgres" / "data.unfinished").mkdir()
    assert own_server.start() != env


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand its server to an account")
def test_root_starts_it_in_a_folder_that_no_other_account_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Server(closed / "state")
    try:
        assert run(server.start(), "select 1") == [(1,)]
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    finally:
        server.stop()
        server.delete()
