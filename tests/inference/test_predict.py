"""POST /predict, and what describes it."""

import pyarrow as pa
import pytest

from apps.inference.model import Model
from tests.inference.conftest import Live, World
from workloads.view import SPLITS, FeatureView


def test_a_row_and_a_list_of_rows_are_answered_by_the_named_version(
    service: Live, world: World, row: dict
) -> None:
    one = service.client.post("/predict", json=row).json()
    many = service.client.post("/predict", json=[row, row | {"shop": "b1"}]).json()
    version = world.client.get_model_version_by_alias(world.name, "champion")
    assert one["model"] == {
        "name": world.name,
        "version": str(version.version),
        "alias": "champion",
        "run_id": version.run_id,
    }
    assert 0 < one["predictions"][0]["probability"] < 1
    assert many["predictions"][0]["probability"] == pytest.approx(
        one["predictions"][0]["probability"], abs=1e-6
    )
    assert len(many["predictions"]) == 2


def test_the_examples_are_answered_as_in_training(service: Live, world: World) -> None:
    samples = world.bundle()[0].samples
    examples = service.client.get("/examples").json()
    assert len(examples) == len(samples)
    assert all("probability" not in example for example in examples)
    answers = service.client.post("/predict", json=examples).json()["predictions"]
    for answer, sample in zip(answers, samples, strict=True):
        assert answer["probability"] == pytest.approx(sample.probability, abs=1e-5)


def test_features_are_those_of_the_view_in_every_split(service: Live, world: World) -> None:
    view = FeatureView.current(world.environment)
    model = service.serving.model
    assert isinstance(model, Model)
    for part in view.parts:
        table = view.read_part(part)
        rows = table.to_pylist()
        inputs = [
            model.inputs.written({n: row[f"input.{n}"] for n in view.spec.inputs}) for row in rows
        ]
        together = model.features(inputs).to_pylist()
        for split in SPLITS:
            chosen = [place for place, row in enumerate(rows) if row["split"] == split][:60]
            for place in chosen:
                alone = model.features([inputs[place]]).to_pylist()[0]
                for name in view.spec.names:
                    assert alone[name] == together[place][name] == rows[place][name], name


def test_reasons_are_the_changes_towards_the_typical_value(service: Live, row: dict) -> None:
    model = service.serving.model
    assert model is not None
    answer = service.client.post("/predict", json=row).json()["predictions"][0]
    reasons = answer["reasons"]
    assert 1 <= len(reasons) <= 5
    sizes = [abs(reason["effect"]) for reason in reasons]
    assert sizes == sorted(sizes, reverse=True)
    typical = model.bundle.spec.typical
    assert typical["amount"] is not None
    features = model.features([row])
    for reason in reasons:
        name = reason["feature"]
        assert reason["value"] == features[name][0].as_py()
        place = features.schema.names.index(name)
        changed = features.set_column(
            place, name, pa.chunked_array([pa.array([typical[name]], features[name].type)])
        )
        effect = answer["probability"] - model.bundle.predict(changed).tolist()[0]
        assert reason["effect"] == pytest.approx(effect, abs=1e-6)


def test_reasons_are_left_out_when_asked_or_when_there_are_many_rows(
    service: Live, row: dict
) -> None:
    asked = service.client.post("/predict?reasons=false", json=row).json()["predictions"]
    many = service.client.post("/predict", json=[row] * 101).json()["predictions"]
    few = service.client.post("/predict", json=[row] * 100).json()["predictions"]
    assert asked[0]["reasons"] == many[0]["reasons"] == []
    assert few[99]["reasons"]


def test_a_new_value_is_refused_or_warned_of_as_the_definition_says(
    service: Live, row: dict
) -> None:
    refused = service.client.post("/predict", json=[row, row | {"shop": "a11"}])
    assert refused.status_code == 422
    problem = refused.json()["problems"][0]
    assert (problem["row"], problem["field"]) == (1, "shop")
    assert "'a11' is not known to the model; known: a1" in problem["message"]
    warned = service.client.post("/predict", json=row | {"size_class": "huge"})
    assert warned.status_code == 200
    assert "size_class: 'huge' is rare or new" in warned.json()["predictions"][0]["warnings"][0]


def test_an_input_may_be_missing_unless_it_is_the_time(service: Live, row: dict) -> None:
    null = service.client.post("/predict", json=row | {"amount": None}).json()
    absent = service.client.post("/predict", json={k: v for k, v in row.items() if k != "amount"})
    assert null["predictions"] == absent.json()["predictions"]
    assert null["predictions"][0]["warnings"] == ["amount: missing"]
    for body in (row | {"ordered": None}, {k: v for k, v in row.items() if k != "ordered"}):
        answer = service.client.post("/predict", json=body)
        assert answer.status_code == 422
        assert answer.json()["problems"][0] == {
            "message": "is required",
            "row": None,
            "field": "ordered",
        }


def test_schema_and_openapi_describe_the_inputs(service: Live) -> None:
    inputs = {each["name"]: each for each in service.client.get("/schema").json()["inputs"]}
    assert inputs["shop"]["known"] == ["a1", "a2", "b1"]
    assert inputs["amount"]["kind"] == "integer"
    assert inputs["gift"]["kind"] == "boolean"
    assert [name for name, each in inputs.items() if each["required"]] == ["ordered"]
    document = service.client.get("/openapi.json").json()
    row = document["components"]["schemas"]["Row"]
    assert set(row["properties"]) == set(inputs)
    assert row["required"] == ["ordered"]
    for path in ("/predict", "/examples", "/health/ready", "/v2/models/{name}/infer"):
        assert path in document["paths"]


def test_metrics_count_requests_predictions_and_the_model(service: Live, row: dict) -> None:
    before = service.metric("inference_predictions_total")
    service.client.post("/predict", json=[row, row, row])
    assert service.metric("inference_predictions_total") == before + 3
    text = service.client.get("/metrics").text
    assert 'inference_requests_total{method="POST",route="/predict",status="200"}' in text
    assert 'inference_model_info{alias="champion"' in text
    service.client.get("/no/such/path")
    assert 'route="unmatched"' in service.client.get("/metrics").text


def test_every_answer_carries_the_security_headers(service: Live) -> None:
    for path in ("/", "/static/page.js", "/health/live", "/no/such/path"):
        headers = service.client.get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers or "uvicorn" in headers["server"]
