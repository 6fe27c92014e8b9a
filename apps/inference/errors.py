"""What a request can do wrong, as the answer that it gets."""

from dataclasses import dataclass

SHOWN = 5


@dataclass(frozen=True)
class Problem:
    """One fault of one value."""

    message: str
    row: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        """Return the fault with its place."""
        row = [] if self.row is None else [f"row {self.row}"]
        field = [] if self.field is None else [self.field]
        place = ", ".join(row + field)
        return f"{place}: {self.message}" if place else self.message


class RequestError(Exception):
    """A request that gets an error instead of a prediction."""

    def __init__(
        self,
        status: int,
        message: str,
        problems: list[Problem] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.problems = problems or []
        self.headers = headers or {}


def refuse(problems: list[Problem]) -> RequestError:
    """Return the 422 that lists the faults of a request's values."""
    shown = "; ".join(str(problem) for problem in problems[:SHOWN])
    rest = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return RequestError(422, shown + rest, problems[:50])
