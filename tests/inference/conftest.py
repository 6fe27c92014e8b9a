"""A small model, trained for real, and services that answer from it."""

import contextlib
import os
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import torch
import uvicorn
from fastapi import FastAPI
from mlflow.tracking import MlflowClient

from apps.inference.app import create_app
from apps.inference.connection import Connection
from apps.inference.reasons import feature_table
from apps.inference.refresh import Serving
from apps.inference.settings import Settings
from tests.conftest import free_port, wait_until
from tests.inference.orders import DEFINITION, write_tables
from workloads import feature_gen, registry, train
from workloads.bundle import Bundle, BundleSpec, build_network, read_bundle, write_bundle
from workloads.environment import Environment


@dataclass
class World:
    """The environment contract with a trained model, and what is published of it."""

    env: dict[str, str]
    client: MlflowClient
    folder: Path
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> Environment:
        return Environment.model_validate({name.lower(): v for name, v in self.env.items()})

    @property
    def name(self) -> str:
        return self.env["MODEL_NAME"]

    def alias(self, alias: str, version: str) -> None:
        self.client.set_registered_model_alias(self.name, alias, version)

    def bundle(self) -> tuple[BundleSpec, dict[str, torch.Tensor]]:
        """The trained version's specification and weights."""
        made = read_bundle(self.folder / "bundle", self.env["MODEL_PUBLIC_KEY"])
        return made.spec, {name: value.clone() for name, value in made.network.state_dict().items()}

    def publish(
        self,
        temperature: float = 1,
        key: str = "",
        spec: Mapping[str, object] = {},
        weights: Mapping[str, torch.Tensor] = {},
        spoil: Mapping[str, bytes | None] = {},
    ) -> str:
        """Register a version of other weights, sound unless it is told to be otherwise."""
        told, values = self.bundle()
        values["temperature"] = torch.tensor(temperature)
        run = self.client.create_run("0")
        told = told.model_copy(update={"run_id": run.info.run_id})
        network = build_network(told.network, told.encoder)
        network.load_state_dict(values)
        samples = answered(Bundle(told, network.eval(), ""))
        told = told.model_copy(update={"samples": samples} | dict(spec))
        with registry.scratch() as folder:
            write_bundle(
                folder, told, values | dict(weights), Path(key or self.env["MODEL_SIGNING_KEY"])
            )
            for name, data in spoil.items():
                (folder / name).unlink(missing_ok=True)
                if data is not None:
                    (folder / name).write_bytes(data)
            registry.put_folder(self.client, run, folder, "bundle")
        source = f"{run.info.artifact_uri}/bundle"
        return str(self.client.create_model_version(self.name, source, run.info.run_id).version)


def answered(bundle: Bundle) -> list:
    """The bundle's samples with the answers of its own network."""
    rows = feature_table(bundle, [sample.features for sample in bundle.spec.samples])
    probabilities = bundle.predict(rows).tolist()
    return [
        sample.model_copy(update={"probability": probability})
        for sample, probability in zip(bundle.spec.samples, probabilities, strict=True)
    ]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, mlflow_server: str) -> World:
    """The small model: features made, version trained, alias `champion` set."""
    folder = tmp_path_factory.mktemp("inference")
    name = f"orders-{os.getpid()}"
    write_tables(folder / "data")
    (folder / "orders.py").write_text(DEFINITION.replace("NAME", name))
    env = {
        "MODEL_NAME": name,
        "MODEL_DEFINITION": f"{folder}/orders.py",
        "DATA_URI": f"file://{folder}/data",
        "FEATURES_URI": f"file://{folder}/features",
        "ARTIFACTS_URI": f"file://{folder}/artifacts",
        "MLFLOW_TRACKING_URI": mlflow_server,
        "MODEL_SIGNING_KEY": f"{folder}/keys/model.pem",
        "MODEL_PUBLIC_KEY": f"{folder}/keys/model.pub",
    }
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in env.items():
            patch.setenv(variable, value)
        feature_gen.main()
        train.main()
    client = MlflowClient(mlflow_server)
    made = World(env, client, folder)
    version = client.get_model_version_by_alias(name, "challenger")
    registry.fetch_files(client, version, made.environment, folder / "bundle")
    made.alias("champion", str(version.version))
    return made


@dataclass
class Live:
    """A service that answers over HTTP in this process."""

    client: httpx.Client
    serving: Serving
    url: str

    def ready(self) -> None:
        wait_until(lambda: self.client.get("/health/ready").status_code == 200, "the service", 30)

    def version(self) -> str:
        return self.client.get("/health/ready").json()["model"]["version"]

    def until_version(self, version: str) -> None:
        wait_until(lambda: self.version() == version, f"version {version}", 30)

    def metric(self, name: str) -> float:
        lines = self.client.get("/metrics").text.splitlines()
        found = [line for line in lines if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)


@contextlib.contextmanager
def serve(settings: Settings) -> Generator[Live]:
    """Run a service until the test is over."""
    app: FastAPI = create_app(settings)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, http=Connection, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, timeout=30) as client:
        yield Live(client, app.state.serving, url)
    server.should_exit = True
    thread.join(10)


def until_cached(settings: Settings) -> None:
    """Wait until the next start could do without the registry."""
    wait_until((settings.cache / "current.json").exists, "the cache", 30)


def settings_for(world: World, alias: str, **more: object) -> Settings:
    """Settings of a service that follows an alias of its own."""
    values = {name.lower(): value for name, value in world.env.items()}
    ours = {"model_alias": alias, "refresh_seconds": 0.1, "cache_dir": world.folder / "cache"}
    given = values | ours | more
    return Settings.model_validate(given)


@pytest.fixture(scope="session")
def service(world: World) -> Generator[Live]:
    """A service of the trained version, for tests that only ask."""
    with serve(settings_for(world, "champion", max_body_bytes=200_000, max_rows=500)) as live:
        live.ready()
        wait_until(lambda: live.metric("inference_last_refresh_timestamp_seconds"), "refresh")
        yield live


ROW = {
    "shop": "a1",
    "amount": 40,
    "size_class": "small",
    "gift": True,
    "ordered": "2024-03-20T11:00:00",
}


@pytest.fixture
def row() -> dict[str, object]:
    """A row that the small model answers."""
    return dict(ROW)
