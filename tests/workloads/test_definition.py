"""A definition that cannot work is refused with the place and the reason."""

from pathlib import Path

import pyarrow.compute as pc
import pytest

from tests.workloads.test_features import frame, make
from workloads import feature_gen
from workloads.definition import load_definition
from workloads.errors import WorkloadError


def edit(contract: dict[str, str], old: str, new: str) -> None:
    path = Path(contract["MODEL_DEFINITION"])
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('table="rain"', 'table="snow"', r"lookups.rain: no table 'snow'; tables are \['orders'"),
        ('time="ordered"', 'time="odered"', "examples.time: 'odered' is not one of the inputs"),
        ('        time="ordered",\n', "", "examples.time: name an input"),
        ('tune="2024-02-15"', 'tune="2024-03-15"', "tune .* must be before test"),
        ("days=7", "days=0", "days"),
        ("epochs=6", "epoch=6", "epoch"),
        ('"amount": "amount", "size"', '"shop": "amount", "size"', "both hold .*shop"),
        ("minimum_rows=50", "slices=('city',)", "gate.slices: .*city.* not categorical"),
        ('name="tiny"', 'name="Tiny Model"', "name"),
        ('"rain": Latest', '"amount": Latest', "lookups and examples.inputs both hold"),
    ],
)
def test_a_definition_at_odds_with_itself(
    contract: dict[str, str], old: str, new: str, words: str
) -> None:
    edit(contract, old, new)
    with pytest.raises(WorkloadError, match=words):
        load_definition("tiny", contract["MODEL_DEFINITION"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            '"amount": "amount", "ordered"',
            '"amount": "amont", "ordered"',
            "examples.inputs.amount: 'amont'.*amont",
        ),
        ('target="late"', 'target="delivered"', "examples.target"),
        ('"rain": "rain.mm"', '"rain": "rain.inches"', "numeric.rain: .*inches"),
        ('"amount": "amount", "size"', '"amount": "shop || 1", "size"', None),
        (
            'on={"shop": "shop"}, columns',
            'on={"store": "shop"}, columns',
            "lookups.shop_facts.on.*store",
        ),
        ('known_at="delivered"', 'known_at="amount"', "lookups.shop_week.known_at"),
        ('"ordered": "ordered"}', '"ordered": "CAST(ordered AS VARCHAR)"}', "make it a TIMESTAMP"),
        ('sql="shop", at_least', 'sql="upper(", at_least', "categorical.shop"),
    ],
)
def test_an_expression_that_does_not_hold_is_found_before_any_work(
    contract: dict[str, str], tmp_path: Path, old: str, new: str, words: str | None
) -> None:
    edit(contract, old, new)
    with pytest.raises(WorkloadError, match=words):
        feature_gen.main()
    assert not list(tmp_path.rglob("view.json"))


def test_a_lookup_with_two_rows_for_a_key_is_refused(
    contract: dict[str, str], tmp_path: Path
) -> None:
    with (tmp_path / "data" / "shops.csv").open("a") as file:
        file.write("a1,99\n")
    with pytest.raises(WorkloadError, match=r"1 keys stand in more than one row, such as .*a1"):
        feature_gen.main()


def test_a_column_may_say_the_split(contract: dict[str, str]) -> None:
    edit(
        contract,
        'TimeSplit(tune="2024-02-15", test="2024-03-01")',
        "ColumnSplit(column=\"CASE WHEN amount < 50 THEN 'train' "
        "WHEN amount < 70 THEN 'tune' ELSE 'test' END\")",
    )
    rows = frame(make())
    assert rows[rows["split"] == "train"]["amount"].max() < 50
    assert set(rows["split"]) == {"train", "tune", "test"}


def test_a_split_of_another_name_is_refused(contract: dict[str, str]) -> None:
    edit(contract, 'TimeSplit(tune="2024-02-15", test="2024-03-01")', 'ColumnSplit(column="shop")')
    with pytest.raises(WorkloadError, match=r"examples.split gives \['a1', 'a2', 'b1'\]; allowed"):
        feature_gen.main()


def test_shares_are_kept_and_the_same_each_time(contract: dict[str, str]) -> None:
    edit(
        contract,
        'TimeSplit(tune="2024-02-15", test="2024-03-01")',
        "RandomSplit(tune=0.1, test=0.3)",
    )
    view = make()
    rows = frame(view)
    shares = rows["split"].value_counts(normalize=True)
    assert shares["test"] == pytest.approx(0.3, abs=0.05)
    assert shares["tune"] == pytest.approx(0.1, abs=0.03)
    test = view.read_split("test")
    assert pc.all(pc.equal(test["split"], "test")).as_py()


def test_an_unknown_model_says_which_there_are() -> None:
    with pytest.raises(
        WorkloadError, match=r"no definition of 'nope'; there are \['flight-delay'\]"
    ):
        load_definition("nope")


def test_the_name_and_the_definition_must_agree(contract: dict[str, str]) -> None:
    with pytest.raises(WorkloadError, match=r"MODEL_NAME is 'other', but .* defines 'tiny'"):
        load_definition("other", contract["MODEL_DEFINITION"])
