"""The service follows the alias and the feature view, and serves nothing that is not sound."""

import json
import shutil
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
import torch

from tests.conftest import free_port, wait_until
from tests.inference.conftest import ROW, Live, World, serve, settings_for, until_cached
from workloads import store
from workloads.signature import make_keys
from workloads.view import FeatureView, home


def test_a_new_version_takes_over_under_load_without_a_failed_or_mixed_answer(
    world: World,
) -> None:
    versions = [world.publish(temperature=1), world.publish(temperature=5)]
    world.alias("swap", versions[0])
    answers: list[tuple[str, float]] = []
    stop = threading.Event()

    def load(url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not stop.is_set():
                answer = client.post("/predict?reasons=false", json=[ROW, ROW])
                assert answer.status_code == 200, answer.text
                document = answer.json()
                for each in document["predictions"]:
                    answers.append((document["model"]["version"], each["probability"]))

    failed: list[BaseException] = []

    def guarded(url: str) -> None:
        try:
            load(url)
        except BaseException as error:
            failed.append(error)

    with serve(settings_for(world, "swap")) as live:
        live.ready()
        threads = [threading.Thread(target=guarded, args=(live.url,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for turn in range(6):
            version = versions[(turn + 1) % 2]
            world.alias("swap", version)
            live.until_version(version)
            time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
    assert not failed
    given = Counter((version, round(probability, 5)) for version, probability in answers)
    assert {version for version, _ in given} == set(versions)
    assert len(given) == 2, "each version has one answer to one row"
    assert sum(given.values()) > 50


def bad_versions(world: World) -> dict[str, str]:
    spec, weights = world.bundle()
    key = f"{world.folder}/keys/other.pem"
    make_keys(Path(key), f"{world.folder}/keys/other.pub")
    wrong = [sample.model_copy(update={"probability": 0.999}) for sample in spec.samples]
    nan = {name: torch.full_like(w, float("nan")) for name, w in weights.items() if w.ndim > 1}
    definition = spec.features.definition
    numeric = definition.numeric | {"amount": "no_such_function(amount)"}
    broken = definition.model_copy(update={"numeric": numeric})
    features = spec.features.model_copy(update={"definition": broken})
    return {
        "altered weights": world.publish(spoil={"weights.safetensors": b"\0" * 64}),
        "altered specification": world.publish(spoil={"spec.json": b"{}"}),
        "no signature": world.publish(spoil={"model.sig": None}),
        "a signature of nothing": world.publish(spoil={"model.sig": b"{}"}),
        "another key": world.publish(key=key),
        "another run": world.publish(spec={"run_id": "0" * 32}),
        "another model": world.publish(spec={"name": "other"}),
        "NaN weights": world.publish(weights=nan),
        "other answers than promised": world.publish(spec={"samples": wrong}),
        "no samples": world.publish(spec={"samples": []}),
        "SQL that does not run": world.publish(spec={"features": features}),
    }


def test_a_bad_version_is_refused_once_and_the_old_one_keeps_serving(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sound = world.publish(temperature=2)
    world.alias("guarded", sound)
    with serve(settings_for(world, "guarded")) as live:
        live.ready()
        expected = live.client.post("/predict", json=ROW).json()
        for count, (name, version) in enumerate(bad_versions(world).items(), 1):
            caplog.clear()
            world.alias("guarded", version)
            wait_until(lambda n=count: live.metric("inference_refused_models_total") == n, name, 30)
            time.sleep(0.35)  # three more looks at the alias
            assert live.metric("inference_refused_models_total") == count, name
            refusals = [each for each in caplog.messages if each.startswith("refused:")]
            assert len(refusals) == 1
            assert f"version {sound} keeps serving" in refusals[0]
            assert live.client.post("/predict", json=ROW).json() == expected, name
        world.alias("guarded", world.publish(temperature=3))
        wait_until(lambda: live.version() != sound, "a sound version", 30)


def test_without_a_model_it_lives_is_not_ready_and_says_why(world: World) -> None:
    with serve(settings_for(world, "nobody")) as live:
        assert live.client.get("/health/live").status_code == 200
        wait_until(
            lambda: "alias" in live.client.get("/health/ready").json()["error"], "reason", 30
        )
        for path in ("/health/ready", "/v2/health/ready", "/schema", "/examples"):
            assert live.client.get(path).status_code == 503
        assert live.client.post("/predict", json=ROW).status_code == 503
        assert live.metric("inference_ready") == 0
        assert live.client.get("/openapi.json").status_code == 200
        assert live.client.get("/").status_code == 200


def test_it_starts_from_its_cache_with_everything_else_down(world: World) -> None:
    world.alias("cached", world.publish(temperature=2))
    settings = settings_for(world, "cached")
    with serve(settings) as live:
        live.ready()
        expected = live.client.post("/predict", json=ROW).json()
        until_cached(settings)
    nothing = {
        "mlflow_tracking_uri": f"http://127.0.0.1:{free_port()}",
        "features_uri": f"file://{world.folder}/gone",
    }
    with serve(settings_for(world, "cached", **nothing)) as live:
        assert live.client.post("/predict", json=ROW).json() == expected


@pytest.mark.parametrize("file", ["spec.json", "weights.safetensors", "model.sig"])
def test_a_tampered_cache_is_not_served(
    world: World, file: str, caplog: pytest.LogCaptureFixture
) -> None:
    alias = f"tampered-{file.split('.', maxsplit=1)[0]}"
    world.alias(alias, "1")
    settings = settings_for(world, alias)
    with serve(settings) as live:
        live.ready()
        until_cached(settings)
    found = next(settings.cache.glob(f"bundle-*/{file}"))
    found.write_bytes(found.read_bytes().replace(b"1", b"2"))
    down = {"mlflow_tracking_uri": f"http://127.0.0.1:{free_port()}"}
    with serve(settings_for(world, alias, **down)) as live:
        assert live.client.get("/health/ready").status_code == 503
    assert any("is not used" in message for message in caplog.messages)
    with serve(settings) as live:  # the registry has it
        live.ready()


def test_damaged_lookups_in_the_cache_are_not_used(world: World) -> None:
    world.alias("damaged", "1")
    settings = settings_for(world, "damaged")
    with serve(settings) as live:
        live.ready()
        until_cached(settings)
    found = next(settings.cache.glob("view-*/lookups/**/*.parquet"))
    pq.write_table(pq.read_table(found).slice(1), found)  # whole, but not what was kept
    down = {"features_uri": f"file://{world.folder}/gone"}
    with serve(settings_for(world, "damaged", **down)) as live:
        answer = live.client.post("/predict", json=ROW).json()["predictions"][0]
        assert "feature store" in answer["warnings"][0]


def test_without_a_fitting_view_it_answers_with_a_warning_and_counts(world: World) -> None:
    world.alias("storeless", "1")
    empty = {"features_uri": f"file://{world.folder}/nothing"}
    with serve(settings_for(world, "storeless", **empty)) as live:
        live.ready()
        answer = live.client.post("/predict", json=ROW).json()["predictions"][0]
        assert "no matching tables" in answer["warnings"][0]
        assert live.metric("inference_predictions_without_lookups_total") == 1
        assert live.client.get("/v2").status_code == 200


def test_a_view_that_does_not_fit_gives_way_to_the_models_own_and_a_new_one_is_taken(
    world: World,
) -> None:
    features = world.folder / "other-features"
    shutil.copytree(world.folder / "features", features)
    environment = settings_for(world, "views", features_uri=f"file://{features}")
    world.alias("views", "1")
    pointer = f"{home(environment)}/current.json"
    own = FeatureView.current(world.environment)
    uri = f"{home(environment)}/{own.fingerprint}"
    at_home = own.model_copy(update={"uri": uri})
    store.write(f"{uri}/view.json", at_home.model_dump_json().encode())
    inputs = own.spec.model_copy(update={"inputs": own.spec.inputs | {"more": "VARCHAR"}})
    other = at_home.model_copy(update={"spec": inputs, "fingerprint": "f" * 32})
    store.write(f"{home(environment)}/other/view.json", other.model_dump_json().encode())
    store.write(pointer, json.dumps({"uri": f"{home(environment)}/other"}).encode())
    with serve(environment) as live:
        live.ready()
        assert fingerprint(live) == own.fingerprint
        expected = live.client.post("/predict", json=ROW).json()
        newer = f"{home(environment)}/newer"
        shutil.copytree(features / world.name / own.fingerprint, features / world.name / "newer")
        manifest = own.model_copy(update={"uri": newer, "fingerprint": "e" * 32})
        store.write(f"{newer}/view.json", manifest.model_dump_json().encode())
        store.write(pointer, json.dumps({"uri": newer}).encode())
        wait_until(lambda: fingerprint(live) == "e" * 32, "the new view", 30)
        assert live.client.post("/predict", json=ROW).json() == expected


def fingerprint(live: Live) -> str:
    model = live.serving.model
    return model.tables.view.fingerprint if model and model.tables.view else ""
