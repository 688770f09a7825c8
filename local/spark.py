"""The Spark cluster of this clone: a master, two workers of one core, and the Thrift server.

As the embedded PostgreSQL, it comes from wheels (environment .venv-spark) and lives under `.local`:
`spark.env` says where the Thrift server listens, `spark.conf` how it finds catalog and files. All
of it listens on the loopback interface alone, where whoever is logged in may use it.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from common.lakehouse import CATALOG, Lakehouse
from local import ROOT, STATE
from local.postgres import ServerError, free_port, is_free

ENVIRONMENT = ROOT / ".venv-spark"
WORKERS = ("worker-1", "worker-2")
EXECUTOR_MEMORY = "2g"
# Java's second compiler takes longer than it saves where each plan is another one: half of the
# driver's time at first. Executors have it for what is hot indeed: after ten times the usual calls.
EARLY_COMPILER = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m"
LATE_COMPILER = (
    "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)
THRIFT_SERVER = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
# How long each of the programs may take to listen, on a machine that is busy.
START_SECONDS = 120
LOGGING = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
# Says which tasks ran where, and which were lost with their executor.
logger.tasks.name = org.apache.spark.scheduler.TaskSetManager
logger.tasks.level = info
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
"""


def settings(lakehouse: Lakehouse, jars: list[Path]) -> dict[str, str]:
    """Returns Spark's settings, the password of the lakehouse's database among them."""
    database = f"jdbc:postgresql://{lakehouse.host}:{lakehouse.port}/{lakehouse.database}"
    classpath = os.pathsep.join(map(str, jars))
    lake, ledger = f"spark.sql.catalog.{CATALOG}", "spark.sql.catalog.ledger"
    return {
        # Not --jars: the Thrift server's class loader does not see those.
        "spark.driver.extraClassPath": classpath,
        "spark.executor.extraClassPath": classpath,
        "spark.executor.memory": EXECUTOR_MEMORY,
        "spark.executor.extraJavaOptions": LATE_COMPILER,
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.session.timeZone": "UTC",
        # Otherwise what overflows or cannot be cast becomes NULL or another number, in silence.
        "spark.sql.ansi.enabled": "true",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.extensions": (
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        "spark.sql.defaultCatalog": CATALOG,
        lake: "org.apache.iceberg.spark.SparkCatalog",
        f"{lake}.type": "jdbc",
        f"{lake}.uri": database,
        f"{lake}.jdbc.user": lakehouse.user,
        f"{lake}.jdbc.password": lakehouse.password,
        f"{lake}.jdbc.schema-version": "V1",
        f"{lake}.warehouse": lakehouse.url,
        # Otherwise Spark does not see what the loader commits.
        f"{lake}.cache-enabled": "false",
        # The loader's ledger, as it is at this moment.
        ledger: "org.apache.spark.sql.execution.datasources.v2.jdbc.JDBCTableCatalog",
        f"{ledger}.url": database,
        f"{ledger}.driver": "org.postgresql.Driver",
        f"{ledger}.user": lakehouse.user,
        f"{ledger}.password": lakehouse.password,
        # Otherwise each connection opens a pool of its own to the catalog, and never closes it.
        "spark.sql.hive.thriftServer.singleSession": "true",
    }


@dataclass(frozen=True)
class Cluster:
    """Where one clone keeps its cluster."""

    state: Path

    @property
    def env_file(self) -> Path:
        """SPARK_HOST and SPARK_PORT, one a line: where the Thrift server listens."""
        return self.state / "spark.env"

    def start(self, lakehouse: Lakehouse) -> dict[str, str]:
        """Starts what of the cluster does not run; returns SPARK_HOST and SPARK_PORT.

        The Thrift server is started anew if its settings are not those of before. Raises
        ServerError with the end of the program's log if it does not come up.
        """
        if not lakehouse.url.startswith("file://"):
            raise ServerError(
                f"{lakehouse.url}: the cluster of this clone reads folders; SPARK_HOST and "
                "SPARK_PORT name another one (docs/spark.md)"
            )
        with closing(lakehouse.connect()) as connection, connection, connection.cursor() as cursor:
            lakehouse.prepare(cursor)
        with self._lock():
            folder = _spark_home()
            jars = [_iceberg_jar(folder), _postgres_jar(STATE / "spark" / "jars")]
            (self.state / "log4j2.properties").write_text(LOGGING)
            if self._write_settings(settings(lakehouse, jars)):
                self._end("thrift")
            ports = self._ports()
            master = f"spark://127.0.0.1:{ports['master']}"
            listen = ["--host", "127.0.0.1", "--webui-port", "0"]
            self._launch(
                "master",
                ports["master"],
                ["org.apache.spark.deploy.master.Master", *listen, "--port", str(ports["master"])],
            )
            for name in WORKERS:
                self._launch(
                    name,
                    ports[name],
                    [
                        "org.apache.spark.deploy.worker.Worker",
                        *listen,
                        *("--cores", "1", "--memory", EXECUTOR_MEMORY),
                        *("--port", str(ports[name])),
                        *("--work-dir", str(self.state / name)),
                        master,
                    ],
                )
            self._launch(
                "thrift",
                ports["thrift"],
                [
                    "org.apache.spark.deploy.SparkSubmit",
                    *("--master", master, "--class", THRIFT_SERVER),
                    *("--properties-file", str(self.state / "spark.conf")),
                    "spark-internal",
                    *("--hiveconf", "hive.server2.thrift.bind.host=127.0.0.1"),
                    *("--hiveconf", f"hive.server2.thrift.port={ports['thrift']}"),
                ],
            )
            env = {"SPARK_HOST": "127.0.0.1", "SPARK_PORT": str(ports["thrift"])}
            text = "".join(f"{name}={value}\n" for name, value in env.items())
            self.env_file.write_text(text)
            return env

    def stop(self) -> bool:
        """Ends the cluster's processes, waiting for them; returns False if there were none."""
        with self._lock():
            self.env_file.unlink(missing_ok=True)
            ended = [self._end(name) for name in ("thrift", *WORKERS, "master")]
            return any(ended)

    def process(self, name: str) -> psutil.Process | None:
        """Returns the running process of that name: master, worker-1, worker-2 or thrift."""
        with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            pid, started = (self.state / f"{name}.pid").read_text().split()
            process = psutil.Process(int(pid))
            # By now the pid may be somebody else's.
            same = f"{process.create_time():.2f}" == started
            return process if same and _is_alive(process) else None
        return None

    def _launch(self, name: str, port: int, command: list[str]) -> None:
        if self.process(name):
            return
        log = self.state / f"{name}.log"
        environment = {
            **os.environ,
            "SPARK_HOME": str(_spark_home()),
            "SPARK_CONF_DIR": str(self.state),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.state / "scratch"),
            # The Thrift server is the driver of all queries.
            "SPARK_DAEMON_MEMORY": "2g" if name == "thrift" else "256m",
            "SPARK_DAEMON_JAVA_OPTS": EARLY_COMPILER,
        }
        with log.open("w") as output:
            started = psutil.Popen(
                [str(_spark_home() / "bin" / "spark-class"), *command],
                env=environment,
                cwd=self.state,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C is for whoever started it, not for what is to stay.
                start_new_session=True,
            )
        (self.state / f"{name}.pid").write_text(f"{started.pid} {started.create_time():.2f}")
        deadline = time.monotonic() + START_SECONDS
        while is_free(port):
            if started.poll() is not None or time.monotonic() > deadline:
                self._end(name)
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise ServerError(f"Spark's {name} did not start. The end of {log}:\n{tail}")
            time.sleep(0.2)

    def _end(self, name: str) -> bool:
        process = self.process(name)
        if process is None:
            return False
        # A worker's executors are its children.
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 20
        while (alive := [each for each in family if _is_alive(each)]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.05)
        for each in alive:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        return True

    def _ports(self) -> dict[str, int]:
        """Returns a port for each program, the same as long as nobody else takes it."""
        path = self.state / "ports.json"
        ports: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        for name in ("master", *WORKERS, "thrift"):
            if name not in ports or not (self.process(name) or is_free(ports[name])):
                ports[name] = free_port()
        path.write_text(json.dumps(ports))
        return ports

    def _write_settings(self, wanted: Mapping[str, str]) -> bool:
        """Writes them where only the owner can read them; returns whether they changed."""
        path = self.state / "spark.conf"
        text = "".join(f"{name} {value}\n" for name, value in wanted.items())
        if path.exists() and path.read_text() == text:
            return False
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
        return True

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.state.mkdir(parents=True, exist_ok=True)
        with (self.state / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_alive(process: psutil.Process) -> bool:
    """Whether it runs, and is not only waited for by whoever started it."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _spark_home() -> Path:
    found = sorted(ENVIRONMENT.glob("lib/python*/site-packages/pyspark"))
    if not found:
        raise ServerError(f"{ENVIRONMENT}: has no Spark; `make spark-up` installs it")
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        raise ServerError(
            "Spark needs Java 17 (Debian: apt install openjdk-17-jre-headless), on PATH or as "
            "JAVA_HOME"
        )
    return found[0]


def _iceberg_jar(spark_home: Path) -> Path:
    jars = spark_home.parent / "snowpark_connect_deps_iceberg" / "jars"
    return next(jars.glob("iceberg-spark-runtime-3.5_2.12-*.jar"))


def _postgres_jar(folder: Path) -> Path:
    """Returns PostgreSQL's JDBC driver: of this machine, or downloaded as Debian packages it."""
    installed, ours = Path("/usr/share/java/postgresql.jar"), folder / "postgresql.jar"
    if ours.exists() or installed.exists():
        return ours if ours.exists() else installed
    folder.mkdir(parents=True, exist_ok=True)
    print("Downloading PostgreSQL's JDBC driver (once) ...", file=sys.stderr)
    script = (
        "apt-get download libpostgresql-jdbc-java && "
        "dpkg-deb --fsys-tarfile libpostgresql-jdbc-java_*.deb | "
        "tar -xO ./usr/share/java/postgresql.jar > unfinished && mv unfinished postgresql.jar"
    )
    done = subprocess.run(  # noqa: S603
        ["sh", "-c", script],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if not ours.exists():
        raise ServerError(
            f"{ours}: put PostgreSQL's JDBC driver there (jdbc.postgresql.org); apt-get brought "
            f"none: {done.stderr.strip()}"
        )
    return ours


def this_cluster() -> Cluster:
    """Returns the cluster of the clone that this file belongs to."""
    return Cluster(STATE / "spark")
