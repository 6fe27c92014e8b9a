"""Small state files: whole or not there at all."""

import json
import os
from pathlib import Path
from typing import TypeAlias, cast

from local.errors import LocalError

Document: TypeAlias = dict[str, dict[str, str | int | float]]


def write_json(path: Path, document: object) -> None:
    """Replace a file in one move, so that a reader or a crash sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read_json(path: Path) -> object:
    """Return the document in a file, or nothing if there is no file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LocalError(f"{path}: not JSON ({error}). Remove the file and try again.") from error


def read_entries(path: Path) -> Document:
    """Return the entries of a state file by name."""
    document = read_json(path)
    return cast("Document", document) if isinstance(document, dict) else {}


def read_texts(path: Path) -> dict[str, str]:
    """Return a flat file of names and texts."""
    document = read_json(path)
    if not isinstance(document, dict):
        return {}
    items = cast("dict[object, object]", document).items()
    return {str(name): str(value) for name, value in items}
