"""Hostile bundles: every one is refused before anything in it is parsed."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from workloads import bundle
from workloads.bundle import BundleSpec, build_network, read_bundle, write_bundle
from workloads.definition import Categorical, Examples, FeatureDefinition, Network, Table
from workloads.encoder import Encoder
from workloads.errors import WorkloadError
from workloads.features import FeatureSpec
from workloads.signature import (
    FILES,
    SIGNATURE,
    SPEC,
    WEIGHTS,
    BundleError,
    make_keys,
    sign,
)

DEFINITION = FeatureDefinition(
    name="m",
    tables={"t": Table(path="t.csv")},
    examples=Examples(table="t", inputs=["x", "c"], target="y"),
    categorical={"c": Categorical(sql="c")},
    numeric=["x"],
)


def make_spec() -> BundleSpec:
    return BundleSpec(
        name="m",
        run_id="r1",
        data_fingerprint="f",
        features=FeatureSpec(
            definition=DEFINITION, inputs={"x": "DOUBLE", "c": "VARCHAR"}, lookups={}
        ),
        encoder=Encoder(vocabularies={"c": ["a", "b"]}, rare={}, numeric=["x"]),
        network=Network(hidden=(4,), bins=2),
        typical={"c": "a", "x": 0.0},
        samples=[],
    )


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, str]:
    private, public = tmp_path / "keys" / "a.pem", str(tmp_path / "keys" / "a.pub")
    make_keys(private, public)
    return private, public


@pytest.fixture
def good(tmp_path: Path, keys: tuple[Path, str]) -> Path:
    folder = tmp_path / "good"
    folder.mkdir()
    spec = make_spec()
    write_bundle(folder, spec, build_network(spec.network, spec.encoder).state_dict(), keys[0])
    return folder


def test_a_good_bundle_is_read_as_it_was_written(good: Path, keys: tuple[Path, str]) -> None:
    read = read_bundle(good, keys[1])
    assert read.spec == make_spec()
    assert {path.name for path in good.iterdir()} == FILES
    for name, value in load((good / WEIGHTS).read_bytes()).items():
        assert torch.equal(read.network.state_dict()[name], value)


def test_the_key_may_be_given_as_text(good: Path, keys: tuple[Path, str]) -> None:
    assert read_bundle(good, Path(keys[1]).read_text()).spec.name == "m"


def flip(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(bytes(data))

    return change


def replace(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(data) and None


def link_weights(folder: Path) -> None:
    shutil.move(folder / WEIGHTS, folder.parent / "elsewhere")
    (folder / WEIGHTS).symlink_to(folder.parent / "elsewhere")


def sign_again(folder: Path) -> None:
    """Sign changed weights with a key of the attacker's own."""
    flip(WEIGHTS)(folder)
    private = folder.parent / "evil" / "b.pem"
    make_keys(private, str(folder.parent / "evil" / "b.pub"))
    sign(folder, private)


def unsigned_manifest(folder: Path) -> None:
    document = json.loads((folder / SIGNATURE).read_text())
    document["dsseEnvelope"]["signatures"] = []
    (folder / SIGNATURE).write_text(json.dumps(document))


def other_payload(folder: Path) -> None:
    document = json.loads((folder / SIGNATURE).read_text())
    document["dsseEnvelope"]["payload"] = "e30="
    (folder / SIGNATURE).write_text(json.dumps(document))


def rename(folder: Path) -> None:
    (folder / SPEC).rename(folder / "spec.JSON")


HOSTILE: dict[str, Callable[[Path], object]] = {
    "a bit of the weights": flip(WEIGHTS),
    "a bit of the spec": flip(SPEC),
    "a bit of the signature": flip(SIGNATURE),
    "no signature": lambda folder: (folder / SIGNATURE).unlink(),
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "empty signature": replace(SIGNATURE, b""),
    "signature is not JSON": replace(SIGNATURE, b"\x80\x04junk"),
    "signature is a list": replace(SIGNATURE, b"[]"),
    "deeply nested signature": replace(SIGNATURE, b"[" * 100_000),
    "no signatures in it": unsigned_manifest,
    "other payload": other_payload,
    "an extra file": replace("evil.pkl", pickle.dumps(print)),
    "an extra folder": lambda folder: (folder / "code").mkdir(),
    "a hidden file": replace(".hidden", b"x"),
    "a symbolic link": link_weights,
    "another name": rename,
    "another key": sign_again,
    "pickled weights": replace(WEIGHTS, pickle.dumps({"a": 1})),
    "a huge header": replace(WEIGHTS, (1 << 62).to_bytes(8, "little") + b"{}"),
    "a named pipe": lambda folder: ((folder / SPEC).unlink(), os.mkfifo(folder / SPEC)),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_bundle_is_refused_before_it_is_parsed(
    attack: str, good: Path, keys: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    HOSTILE[attack](good)

    def parsed(*_: object, **__: object) -> None:
        raise AssertionError("parsed before it was verified")

    monkeypatch.setattr(bundle, "load", parsed)
    monkeypatch.setattr(BundleSpec, "model_validate_json", parsed)
    with pytest.raises(BundleError):
        read_bundle(good, keys[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec | {"network": spec["network"] | {"hidden": [5]}},
        lambda spec: spec | {"surprise": 1},
        lambda spec: {name: value for name, value in spec.items() if name != "encoder"},
    ],
    ids=["another shape", "an unknown field", "a field too few"],
)
def test_a_signed_bundle_that_does_not_fit_is_refused_in_words(
    change: Callable[[dict], dict], good: Path, keys: tuple[Path, str]
) -> None:
    document = json.loads((good / SPEC).read_text())
    (good / SPEC).write_text(json.dumps(change(document)))
    sign(good, keys[0])
    with pytest.raises(BundleError, match="train again"):
        read_bundle(good, keys[1])


def test_signed_weights_that_are_not_safetensors_are_refused(
    good: Path, keys: tuple[Path, str]
) -> None:
    for data in (pickle.dumps({"a": 1}), b"", save({"other": torch.zeros(3)})):
        (good / WEIGHTS).write_bytes(data)
        sign(good, keys[0])
        with pytest.raises(BundleError):
            read_bundle(good, keys[1])


def test_keys_are_made_once_and_the_private_one_is_private(tmp_path: Path) -> None:
    private, public = tmp_path / "k" / "a.pem", tmp_path / "k" / "a.pub"
    make_keys(private, str(public))
    assert private.stat().st_mode & 0o777 == 0o600
    before = private.read_bytes()
    make_keys(private, str(public))
    assert private.read_bytes() == before


def test_a_missing_private_key_is_named(good: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"MODEL_SIGNING_KEY: .*nowhere\.pem"):
        sign(good, tmp_path / "nowhere.pem")


def test_a_missing_public_key_is_named(good: Path, tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"MODEL_PUBLIC_KEY: .*nowhere\.pub"):
        read_bundle(good, str(tmp_path / "nowhere.pub"))
