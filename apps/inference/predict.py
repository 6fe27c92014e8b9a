"""`POST /predict`: rows as a person writes them."""

from dataclasses import asdict

from apps.inference.documents import Json, parse
from apps.inference.errors import RequestError
from apps.inference.model import Model
from apps.inference.settings import Settings


def answer(
    model: Model, body: bytes, settings: Settings, *, explain: bool
) -> tuple[int, dict[str, object]]:
    """Answer the body of a request with one model; return the number of rows and the document."""
    rows = rows_of(parse(body), settings.max_rows)
    explain = explain and len(rows) <= settings.explain_rows
    predictions = model.predict(rows, explain=explain)
    answers = [asdict(prediction) for prediction in predictions]
    return len(rows), {"model": asdict(model.version), "predictions": answers}


def rows_of(document: Json, most: int) -> list[Json]:
    """Return the rows of a request: one object, or a list of them."""
    if isinstance(document, dict):
        return [document]
    if not isinstance(document, list):
        raise RequestError(422, "the body must be one row as an object, or a list of rows")
    check_count(len(document), most)
    return document


def check_count(rows: int, most: int) -> None:
    """Refuse no rows, and too many."""
    if not rows:
        raise RequestError(422, "there are no rows; send at least one")
    if rows > most:
        raise RequestError(413, f"{rows} rows are too many; send at most {most} at a time")
