"""Small texts: what a person reads, and what they must never read."""

from pathlib import Path

import pytest

from local.greeting import describe
from local.launch import tail
from local.redaction import redact
from local.report import duration


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ml:secret@host:5432/db", "postgresql://ml:***@host:5432/db"),
        ("postgresql+psycopg2://ml:se@cret@host/db", "postgresql+psycopg2://ml:***@host/db"),
        (
            "postgresql://host/db?user=ml&password=secret&x=1",
            "postgresql://host/db?user=ml&password=***&x=1",
        ),
        ("see http://127.0.0.1:5000/#/models", "see http://127.0.0.1:5000/#/models"),
        ("sqlite:////a b/mlflow.db", "sqlite:////a b/mlflow.db"),
    ],
)
def test_passwords_are_not_shown(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_a_progress_bar_is_shown_in_its_last_state(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    log.write_bytes(b"start\n 1%\r 50%\r 100%\r\ndone\n")
    assert tail(log) == "  start\n   100%\n  done"


def test_only_the_last_lines_are_shown(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    log.write_text("".join(f"{number}\n" for number in range(100_000)))
    assert tail(log).split() == [str(number) for number in range(99_985, 100_000)]


def test_a_missing_log_is_said_so(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == "  (no log)"


def test_times_read_well_at_any_length() -> None:
    assert [duration(0.04), duration(59.9), duration(75), duration(7260)] == [
        "0.0 s",
        "59.9 s",
        "1 min 15 s",
        "2 h 1 min",
    ]


def test_a_long_row_is_cut_and_missing_parts_do_no_harm() -> None:
    row: dict[str, object] = {f"f{number}": 1.5 for number in range(9)}
    lines = describe(row, {})
    assert lines[0].endswith("f5 1.5, and 3 more")
    assert lines[1] == "Prediction  {} (? version ?)"
