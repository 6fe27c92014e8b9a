"""More flights than there are: the real tables, times a factor, in two ways."""

from collections.abc import Callable, Iterator
from pathlib import Path

YEAR = 2013


def more_years(source: Path, target: Path, factor: int) -> None:
    """Write the flights and the weather of `factor` years, of which the real one is the last."""
    target.mkdir(parents=True)
    for name in ("flights", "weather"):
        with (source / f"{name}.csv").open() as given:
            header, lines = next(given), given.readlines()
        with (target / f"{name}.csv").open("w") as made:
            made.write(header)
            for year in range(YEAR - factor + 1, YEAR + 1):
                # The first number that reads like the year is the year in both tables.
                made.writelines(line.replace(str(YEAR), str(year), 1) for line in lines)
    (target / "planes.csv").write_bytes((source / "planes.csv").read_bytes())


def denser_days(source: Path, target: Path, factor: int) -> None:
    """Write `factor` times the flights of the same days, by other planes with other numbers."""
    target.mkdir(parents=True)
    for name, copy in (("flights", _copy_flight), ("planes", _copy_plane)):
        with (source / f"{name}.csv").open() as given, (target / f"{name}.csv").open("w") as made:
            made.write(next(given))
            for line in given:
                made.write(line)
                made.writelines(copy(line, number) for number in range(1, factor))
    (target / "weather.csv").write_bytes((source / "weather.csv").read_bytes())


def rows(folder: Path) -> int:
    """Return the number of flights."""
    with (folder / "flights.csv").open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in _chunks(file.read)) - 1


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(1 << 20):
        yield chunk


def _copy_flight(line: str, number: int) -> str:
    fields = line.split(",")
    fields[10] = str(int(fields[10]) + 10_000 * number)
    if fields[11] != "NA":
        fields[11] += f"x{number}"
    return ",".join(fields)


def _copy_plane(line: str, number: int) -> str:
    tail, _, rest = line.partition(",")
    return f"{tail}x{number},{rest}"
