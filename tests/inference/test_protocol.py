"""The Open Inference Protocol: its documents, its errors, and a stock client."""

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.inference.conftest import ROW, Live, World

DATATYPES = {"amount": "INT64", "gift": "BOOL"}


def tensor(name: str, data: list, **other: object) -> dict:
    kind = DATATYPES.get(name, "BYTES")
    return {"name": name, "shape": [len(data)], "datatype": kind, "data": data} | other


def request(**other: object) -> dict:
    return {"inputs": [tensor(name, [value, value]) for name, value in ROW.items()]} | other


def test_it_answers_as_predict_does(service: Live, world: World) -> None:
    expected = service.client.post("/predict", json=[ROW, ROW]).json()["predictions"]
    wanted = [{"name": "probability"}]
    answer = service.client.post(
        f"/v2/models/{world.name}/infer", json=request(id="7", outputs=wanted)
    ).json()
    assert answer["id"] == "7"
    assert (answer["model_name"], answer["model_version"]) == (world.name, service.version())
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("probability", "FP64", [2])
    # The last bit of a float depends on how many rows are computed at once.
    assert output["data"] == pytest.approx([each["probability"] for each in expected], abs=1e-6)
    column = [tensor(n, [[v], [v]], shape=[2, 1]) for n, v in ROW.items()]
    version = service.version()
    path = f"/v2/models/{world.name}/versions/{version}/infer"
    assert service.client.post(path, json={"inputs": column}).json()["outputs"] == answer["outputs"]


def test_the_stock_client_is_served(service: Live, world: World) -> None:
    client = triton.InferenceServerClient(service.url.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(world.name)
    assert client.is_model_ready(world.name, service.version())
    assert not client.is_model_ready("other")
    assert client.get_server_metadata()["name"] == "inference"
    metadata = client.get_model_metadata(world.name)
    assert metadata["versions"] == [service.version()]
    assert {each["name"]: each["datatype"] for each in metadata["inputs"]} == {
        "shop": "BYTES",
        "amount": "INT64",
        "size_class": "BYTES",
        "gift": "BOOL",
        "ordered": "BYTES",
    }
    types = {"BYTES": object, "INT64": np.int64, "BOOL": bool}
    inputs = []
    for each in metadata["inputs"]:
        made = triton.InferInput(each["name"], [3], each["datatype"])
        values = np.array([ROW[each["name"]]] * 3, dtype=types[each["datatype"]])
        made.set_data_from_numpy(values, binary_data=False)
        inputs.append(made)
    output = triton.InferRequestedOutput("probability", binary_data=False)
    result = client.infer(world.name, inputs, outputs=[output], request_id="abc")
    expected = service.client.post("/predict", json=ROW).json()["predictions"][0]["probability"]
    assert result.as_numpy("probability") == pytest.approx([expected] * 3, abs=1e-6)
    assert result.as_numpy("probability").dtype == np.float64
    assert result.get_response()["id"] == "abc"
    binary = triton.InferInput("amount", [1], "INT64")
    binary.set_data_from_numpy(np.array([1], dtype=np.int64))
    with pytest.raises(InferenceServerException, match="binary tensor extension"):
        client.infer(world.name, [binary])


def changed(**other: object) -> dict:
    """A request whose tensor `amount` is another."""
    good = request()
    rest = [each for each in good["inputs"] if each["name"] != "amount"]
    return {"inputs": [*rest, tensor("amount", [1, 2]) | other]}


WRONG = {
    "not an object": ([], "valid dictionary"),
    "no inputs": ({"inputs": []}, "inputs"),
    "unknown input": (changed(name="size"), "'size' is not an input"),
    "twice": ({"inputs": request()["inputs"] * 2}, "stands twice"),
    "datatype": (changed(datatype="FP128"), "datatype"),
    "datatype that does not fit": (changed(datatype="BYTES"), "does not fit; send INT64"),
    "shape and data": (changed(shape=[3]), "shape [3] holds 3 values, data 2"),
    "negative": (changed(shape=[-2]), "greater than or equal to 0"),
    "both negative": (changed(shape=[-1, -2]), "greater than or equal to 0"),
    "huge": (changed(shape=[2**62]), "holds 4611686018427387904 values"),
    "true as a size": (changed(shape=[True]), "valid integer"),
    "no shape": (changed(shape=[]), "at least 1 item"),
    "matrix": (changed(shape=[1, 2]), "not [n] or [n, 1]"),
    "cube": (changed(shape=[2, 1, 1]), "at most 2 items"),
    "lengths": (changed(shape=[1], data=[1]), "different lengths"),
    "empty": ({"inputs": [tensor(name, []) for name in ROW]}, "no rows"),
    "nested data": (changed(data=[[1], [[2]]], shape=[2, 1]), "amount"),
    "value": (changed(data=[1, "x"]), "row 1, amount: Input should be a valid integer"),
    "output": (request(outputs=[{"name": "label"}]), "'label' is not an output"),
    "new name": (request(input=1), "Extra inputs"),
    "no time": ({"inputs": [tensor("amount", [1])]}, "ordered: is required"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_a_400_in_words(service: Live, world: World, name: str) -> None:
    body, words = WRONG[name]
    answer = service.client.post(f"/v2/models/{world.name}/infer", json=body)
    assert (answer.status_code, words in answer.json()["error"]) == (400, True), answer.text
    assert next(iter(answer.json())) == "error"


def test_unknown_models_and_versions_are_404(service: Live, world: World) -> None:
    for path in ("other", "other/ready", f"{world.name}/versions/99", "other/versions/1/ready"):
        answer = service.client.get(f"/v2/models/{path}")
        assert answer.status_code == 404
        assert "no " in answer.json()["error"]
    for path in ("other/infer", f"{world.name}/versions/99/infer"):
        assert service.client.post(f"/v2/models/{path}", json=request()).status_code == 404


def test_the_binary_extension_is_refused(service: Live, world: World) -> None:
    headers = {"Inference-Header-Content-Length": "10"}
    answer = service.client.post(f"/v2/models/{world.name}/infer", content=b"x", headers=headers)
    assert answer.status_code == 400
    assert "binary tensor extension" in answer.json()["error"]
