"""The service as the process that an operator starts and stops."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import httpx

from tests.conftest import ROOT, free_port, wait_until
from tests.inference.conftest import ROW, World, serve, settings_for, until_cached

COMMAND = [sys.executable, "-m", "apps.inference"]


def environment(world: World, **more: str) -> dict[str, str]:
    given = {
        "PYTHONPATH": str(ROOT),
        "CACHE_DIR": f"{world.folder}/cache",
        "MODEL_ALIAS": "process",
    }
    return os.environ | world.env | given | more


def test_it_starts_from_the_cache_and_ends_with_0_when_it_is_told_to(
    world: World, tmp_path: Path
) -> None:
    world.alias("process", "1")
    settings = settings_for(world, "process")
    with serve(settings) as live:
        live.ready()
        until_cached(settings)
        expected = live.client.post("/predict", json=ROW).content
    port, down = free_port(), f"http://127.0.0.1:{free_port()}"
    env = environment(world, PORT=str(port), MLFLOW_TRACKING_URI=down)
    log = tmp_path / "log"
    with log.open("wb") as output:
        started = subprocess.Popen(COMMAND, env=env, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: urllib.request.urlopen(f"{url}/health/ready").status == 200, "it", 60)
        assert httpx.post(f"{url}/predict", json=ROW, timeout=30).content == expected
        started.send_signal(signal.SIGTERM)
        assert started.wait(20) == 0, log.read_text()
    finally:
        started.kill()
    lines = log.read_text().splitlines()
    assert "from the cache" in lines[1]
    assert len(lines) <= 4, lines


def test_a_port_in_use_and_a_wrong_setting_are_one_line_each(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        runs = [
            subprocess.Popen(COMMAND, env=environment(world, **each), stderr=subprocess.PIPE)
            for each in ({"PORT": port}, {"PORT": "eighty"})
        ]
        errors = [run.communicate(timeout=60)[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [1, 1]
    assert errors[0] == (
        f"error: HOST, PORT: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "end what listens there, or set PORT\n"
    )
    assert errors[1].count("\n") == 1
    assert errors[1].startswith("error: environment: PORT: ")
