"""The online feature store: the lookup tables of the view that fits a model."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pyarrow as pa

from workloads import store
from workloads.environment import Environment
from workloads.errors import WorkloadError
from workloads.features import FeatureSpec
from workloads.view import FeatureView, home


@dataclass(frozen=True)
class Tables:
    """The lookup tables of one view."""

    view: FeatureView | None
    """None if no view fits: features from lookups are then missing."""
    by_name: Mapping[str, pa.Table]


NO_TABLES = Tables(None, {})


def current_uri(environment: Environment) -> str:
    """Return where the newest view lies; empty if there is none."""
    try:
        return str(store.read_json(f"{home(environment)}/current.json")["uri"])
    except FileNotFoundError:
        return ""


def find_view(environment: Environment, spec: FeatureSpec, fingerprint: str) -> FeatureView | None:
    """Return the newest view if it fits a model, else the one that the model was made with."""
    for uri in (current_uri(environment), f"{home(environment)}/{fingerprint}"):
        try:
            view = FeatureView.at(uri) if uri else None
        except FileNotFoundError:
            continue
        if view and view.spec == spec and set(view.lookups) == set(spec.lookups):
            return view
    return None


def read_tables(view: FeatureView) -> Tables:
    """Read a view's lookup tables."""
    return Tables(view, {name: view.read_lookup(name) for name in view.lookups})


def copy_view(view: FeatureView, folder: Path) -> str:
    """Copy a view's lookup tables into a new folder and return their digest."""
    for name in _files(view):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(store.read(f"{view.uri}/{name}"))
    (folder / "view.json").write_text(view.model_dump_json())
    return _digest(view, folder)


def read_copy(folder: Path, digest: str) -> Tables:
    """Return the tables of a copied view, if it is as it was written."""
    view = FeatureView.model_validate_json((folder / "view.json").read_bytes())
    if _digest(view, folder) != digest:
        raise WorkloadError(f"{folder}: its files are not those that were written")
    here = view.model_copy(update={"uri": f"file://{folder.absolute()}"})
    return Tables(view, read_tables(here).by_name)


def _files(view: FeatureView) -> Iterator[str]:
    for pieces in view.lookups.values():
        for piece in pieces:
            path = PurePosixPath(piece.file)
            if path.is_absolute() or ".." in path.parts:
                raise WorkloadError(f"{view.uri}: lists {piece.file!r}, which is outside of it")
            yield piece.file


def _digest(view: FeatureView, folder: Path) -> str:
    total = hashlib.sha256()
    for name in ("view.json", *_files(view)):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        total.update(f"{name} {digest}\n".encode())
    return total.hexdigest()
