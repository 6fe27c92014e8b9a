"""JSON as strict as the format: no twin names, no NaN, no number that a float cannot hold."""

import json
import math
from typing import TypeAlias

from pydantic import JsonValue

from apps.inference.errors import RequestError

Json: TypeAlias = JsonValue


def parse(body: bytes) -> Json:
    """Return the document in a request's body; 400 says where it is not JSON."""
    try:
        text = body.decode()
        document: Json = json.loads(
            text,
            object_pairs_hook=_without_twins,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise RequestError(400, f"the body is not UTF-8: byte {error.start}") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise RequestError(400, f"the body is not JSON: {error.msg} at {place}") from error
    except RecursionError as error:
        raise RequestError(400, "the body is nested too deeply") from error
    except ValueError as error:
        raise RequestError(400, f"the body is not JSON: {error}") from error
    _refuse_lone_surrogates(text, document)
    return document


def _without_twins(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twin[:100]!r} stands twice in one object")
    return found


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not a JSON number; send null for a missing value")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _refuse_lone_surrogates(text: str, document: Json) -> None:
    r"""Half a character, such as `\ud800`, cannot be stored or sent back."""
    if "\\u" not in text:
        return
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RequestError(400, "the body holds half a surrogate pair (\\ud800-\\udfff)") from error
