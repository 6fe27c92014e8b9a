"""The requirement files: one set of versions, every file of it checked by its hash."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "requirements"
NAMES = ("bootstrap", "dev", "inference", "mlflow", "workloads")
PARTS = ("inference", "mlflow", "workloads")
_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>\S+)", re.MULTILINE)


def _pins(name: str) -> list[tuple[str, str]]:
    text = (FOLDER / f"{name}.txt").read_text()
    return [(match["name"], match["version"]) for match in _PIN.finditer(text)]


def _wanted(name: str) -> set[str]:
    lines = (FOLDER / f"{name}.in").read_text().splitlines()
    return {re.split(r"[\[<>= ]", line)[0] for line in lines if line and not line.startswith("-")}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_has_the_versions_of_the_whole(name: str) -> None:
    assert set(_pins(name)) <= set(_pins("dev"))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_for_is_pinned(name: str) -> None:
    assert _wanted(name) <= {package for package, _ in _pins(name)}


@pytest.mark.parametrize("name", NAMES)
def test_every_pin_carries_hashes(name: str) -> None:
    blocks = re.split(r"^(?=\S)", (FOLDER / f"{name}.txt").read_text(), flags=re.MULTILINE)
    pinned = [block for block in blocks if block.strip() and not block.startswith("#")]
    assert len(pinned) == len(_pins(name)) > 0
    assert [block for block in pinned if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_no_file_names_an_address(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--index-url|--extra-index-url|--find-links)\b", text, re.M)
