"""What a benchmark finds, and how it is told."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """A figure and its goal."""

    name: str
    value: float
    goal: float
    at_most: bool = True
    """Whether the goal is the highest allowed value; otherwise it is the lowest."""
    spread: tuple[float, float] | None = None
    """Lowest and highest value over the repetitions."""

    is_conclusive: bool = True
    """Whether the measurement's own control held; without it a goal is neither met nor missed."""

    @property
    def verdict(self) -> str:
        """Tell whether the figure reaches its goal."""
        if not self.is_conclusive:
            return "not conclusive"
        met = self.value <= self.goal if self.at_most else self.value >= self.goal
        return "met" if met else "missed"

    def line(self) -> str:
        """Return the figure as a line of text."""
        sign = "<=" if self.at_most else ">="
        spread = f" [{self.spread[0]:.3f}, {self.spread[1]:.3f}]" if self.spread else ""
        return f"{self.name}: {self.value:.3f}{spread}, goal {sign} {self.goal:g}: {self.verdict}"


@dataclass(frozen=True)
class Report:
    """One benchmark's table and figures."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    figures: Sequence[Figure] = ()

    def text(self) -> str:
        """Return the report for a terminal, the first column to the left, numbers to the right."""
        table = [self.header, *self.rows]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.header))]
        lines = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in table
        ]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join([*lines, *(figure.line() for figure in self.figures)])

    def document(self) -> dict[str, Any]:
        """Return the report as it is written to disk."""
        rows = [dict(zip(self.header, row, strict=True)) for row in self.rows]
        figures = [asdict(figure) | {"verdict": figure.verdict} for figure in self.figures]
        return {"rows": rows, "figures": figures}
