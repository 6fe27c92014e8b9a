"""What a platform stands on, for real: an MLflow server, PostgreSQL, an S3 server, processes."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

# Tests run side by side: one thread each is faster than all of them on every core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(answers: Callable[[], object], what: str, seconds: float = 90) -> None:
    """Wait until a call returns something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answers():
                return
        except (OSError, httpx.TransportError):
            pass
        time.sleep(0.2)
    raise TimeoutError(f"{what} did not answer within {seconds} s")


@contextmanager
def process(
    command: list[str], log: Path, env: dict[str, str]
) -> Generator[subprocess.Popen[bytes]]:
    """Run a server in the background and stop it with all its children."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | env, start_new_session=True
        )
    try:
        yield started
    finally:
        try:
            os.killpg(started.pid, 15)
            started.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(started.pid, 9)
        started.wait()


@contextmanager
def mlflow_at(folder: Path, backend: str, artifacts: str, env: dict[str, str]) -> Generator[str]:
    """Run a real MLflow tracking server; give its address."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", backend, "--default-artifact-root", artifacts]
    command += ["--no-serve-artifacts", "--workers", "1"]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # six processes that nothing here uses
    with process(command, folder / "mlflow.log", quiet | env) as server:
        address = f"http://127.0.0.1:{port}"

        def healthy() -> bool:
            assert server.poll() is None, (folder / "mlflow.log").read_text()[-2000:]
            with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
                return answer.status == 200

        wait_until(healthy, "MLflow")
        yield address


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A tracking server on SQLite and local files, shared by all tests of a process."""
    folder = tmp_path_factory.mktemp("mlflow")
    with mlflow_at(
        folder, f"sqlite:///{folder}/mlflow.db", f"file://{folder}/artifacts", {}
    ) as uri:
        yield uri


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """An S3 server in a process of its own; gives the environment that leads to it."""
    port = free_port()
    folder = tmp_path_factory.mktemp("s3")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    env = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with process(command, folder / "s3.log", {}):
        wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1), "the S3 server")
        yield env


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """A real PostgreSQL with an empty database; gives its SQLAlchemy URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian package: postgresql)")
    bin_folder, port = found[-1], free_port()
    folder = tmp_path_factory.mktemp("postgres")
    data = folder / "data"
    # PostgreSQL refuses to run as root; its package brings a user for it.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        for parent in folder.parents:
            if parent == Path(tempfile.gettempdir()):
                break
            parent.chmod(0o711)
        shutil.chown(folder, "postgres")
    initdb = [*as_user, str(bin_folder / "initdb"), "-D", str(data), "-U", "mlflow", "-A", "trust"]
    subprocess.run(initdb, check=True, capture_output=True)
    server = [str(bin_folder / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder)]
    with process([*as_user, *server, "-h", "127.0.0.1"], folder / "postgres.log", {}):
        wait_until(lambda: socket.create_connection(("127.0.0.1", port), 1), "PostgreSQL")
        create = [str(bin_folder / "createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow"]
        time.sleep(0.5)
        subprocess.run([*create, "mlflow"], check=True, capture_output=True)
        yield f"postgresql://mlflow@127.0.0.1:{port}/mlflow"
