import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from workloads import metrics
from workloads.definition import Gate
from workloads.metrics import bootstrap, row_losses
from workloads.verdict import judge

RNG = np.random.default_rng(0)
TARGET = (RNG.random(4000) < 0.3).astype(float)
SHARP = np.where(TARGET == 1, 0.6, 0.17)
BASE = np.full(4000, 0.3)
SHOPS = pa.table({"shop": ["a"] * 3000 + ["b"] * 1000})
GATE = Gate(slices=("shop",), maximum_calibration_error=0.5)


def failures(gate: Gate, answers: dict[str, np.ndarray]) -> list[str]:
    losses = {name: row_losses(TARGET, answer) for name, answer in answers.items()}
    checks, _ = judge(gate, TARGET, losses, answers["challenger"], SHOPS)
    return [check.name for check in checks if not check.passed]


def test_a_better_model_passes() -> None:
    assert failures(GATE, {"challenger": SHARP, "base rate": BASE}) == []
    answers = {"challenger": SHARP, "base rate": BASE, "champion": BASE}
    assert failures(GATE, answers) == []


def test_a_model_no_better_than_the_base_rate_fails() -> None:
    assert failures(GATE, {"challenger": BASE, "base rate": BASE}) == ["beats the base rate"]


def test_an_equal_model_is_not_inferior() -> None:
    answers = {"challenger": SHARP, "base rate": BASE, "champion": SHARP}
    assert failures(GATE, answers) == []


def test_a_worse_model_fails_against_the_champion() -> None:
    duller = 0.5 * SHARP + 0.5 * BASE
    answers = {"challenger": duller, "base rate": BASE, "champion": SHARP}
    assert "not worse than the champion" in failures(GATE, answers)


def test_one_bad_slice_fails() -> None:
    uneven = SHARP.copy()
    uneven[3000:] = 0.5
    assert "worst slice" in failures(GATE, {"challenger": uneven, "base rate": BASE})


def test_too_few_rows_fail() -> None:
    gate = GATE.model_copy(update={"minimum_rows": 5000})
    assert failures(gate, {"challenger": SHARP, "base rate": BASE}) == ["enough rows"]


def test_a_model_that_is_sure_of_itself_fails_on_calibration() -> None:
    gate = GATE.model_copy(update={"maximum_calibration_error": 0.05})
    sure = np.where(TARGET == 1, 0.95, 0.4)
    assert "calibration error" in failures(gate, {"challenger": sure, "base rate": BASE})


def test_row_losses_average_to_the_log_loss() -> None:
    assert row_losses(TARGET, SHARP).mean() == pytest.approx(log_loss(TARGET, SHARP))
    assert np.isfinite(row_losses(TARGET, 1 - TARGET)).all()


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        interval = bootstrap(generator.normal(0.1, 1, 300), draws=400)
        hits += interval.low <= 0.1 <= interval.high
    assert 0.89 <= hits / 200 <= 0.99


def test_blocks_give_the_interval_of_rows() -> None:
    values = np.random.default_rng(2).exponential(1, 40_000)
    error = values.std() / np.sqrt(len(values))
    interval = bootstrap(values)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_calibration_error_of_a_calibrated_model_is_small() -> None:
    probability = np.random.default_rng(3).random(50_000)
    target = (np.random.default_rng(4).random(50_000) < probability).astype(float)
    assert metrics.calibration_error(target, probability) < 0.01
    assert metrics.calibration_error(target, probability**3) > 0.1
