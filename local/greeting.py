"""The end of `make up`: one prediction in plain words, and where everything is."""

from typing import cast

from local.inference import Row, example, predict
from local.redaction import redact

_SHOWN = 6


def show(tracking_uri: str, inference_url: str) -> None:
    """Ask for one prediction and print it with the addresses."""
    row = example(inference_url)
    answer = predict(inference_url, row)
    print("\n" + "\n".join(describe(row, answer)))
    print(f"\nMLflow      {redact(tracking_uri)}")
    print(f"Inference   {inference_url}")
    print("`make status` shows what runs, `make down` stops it.", flush=True)


def describe(row: Row, answer: Row) -> list[str]:
    """Return a row and the service's answer as lines for a person."""
    model = cast("Row", answer.get("model") or {})
    predictions = cast("list[Row]", answer.get("predictions") or [{}])
    probability = predictions[0].get("probability")
    reasons = cast("list[Row]", predictions[0].get("reasons") or [])
    given = ", ".join(f"{name} {_text(value)}" for name, value in list(row.items())[:_SHOWN])
    more = f", and {len(row) - _SHOWN} more" if len(row) > _SHOWN else ""
    lines = [f"Example     {given}{more}"]
    named = f"{model.get('name', '?')} version {model.get('version', '?')}"
    if isinstance(probability, float | int):
        lines.append(f"Prediction  {probability:.1%} ({named})")
    else:
        lines.append(f"Prediction  {answer} ({named})")
    if reasons:
        lines.append(f"Because     {', '.join(_reason(each) for each in reasons[:3])}")
    return lines


def _reason(reason: Row) -> str:
    """Return one reason for a prediction, such as `hour 17 (+0.12)`."""
    effect = reason.get("effect")
    sign = f" ({effect:+.2f})" if isinstance(effect, float | int) else ""
    return f"{reason.get('feature')} {_text(reason.get('value'))}{sign}"


def _text(value: object) -> str:
    """Return a value without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)
