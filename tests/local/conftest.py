"""A machine for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Return a stand-in checkout, in a folder whose name has a space."""
    made = Machine(tmp_path / "my platform")
    yield made
    made.clean()
