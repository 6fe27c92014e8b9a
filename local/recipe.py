"""From data to predictions: which steps there are, in which order, and which are done."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from local.contract import child_environment, local_path
from local.digest import digest, identity, sources
from local.files import read_entries, write_json
from local.processes import Ledger
from local.project import Project
from local.report import duration, say
from local.steps import Usage, started

STEPS = ("feature_gen", "train", "evaluate", "promote", "batch")
# Variables that change what a step makes, as opposed to where it runs.
_SETTINGS = ("DATA_URI", "FEATURES_URI", "ARTIFACTS_URI", "MODEL_NAME", "MODEL_ALIAS")
_KEPT_IN = {"feature_gen": "FEATURES_URI", "train": "ARTIFACTS_URI"}


class Recipe:
    """The steps of one checkout with one set of variables; what is done is not done again."""

    def __init__(
        self, project: Project, ledger: Ledger, variables: dict[str, str], history: str
    ) -> None:
        """Take the contract's variables and what identifies the registry's history."""
        self._project = project
        self._ledger = ledger
        self._variables = variables
        self._file = project.state("steps")
        definition = project.setting("MODEL_DEFINITION")
        source = project.root / definition
        self._base = digest(
            sources(project.root, "workloads"),
            [variables[name] for name in _SETTINGS],
            [definition, source.read_text() if definition and source.is_file() else ""],
            history,
        )

    def run(self, name: str, extra: str = "") -> None:
        """Do a step unless it is done."""
        with self.begin(name, extra) as finish:
            finish()

    @contextmanager
    def begin(self, name: str, extra: str = "") -> Generator[Callable[[], None], None, None]:
        """Start a step unless it is done; the block gets what waits for it."""
        done = read_entries(self._file).get(name, {})
        if done.get("key") == self._key(name, extra) and self._is_kept(name):
            took = duration(float(done["seconds"]))
            say(name, f"nothing changed since {done['finished']} (it took {took})")
            yield lambda: None
            return
        # What follows is made from this, so it is not done either.
        self.forget_from(name)
        say(name, "running")
        command = (self._project.python, "-m", f"workloads.{name}")
        environ = child_environment(self._project, self._variables)
        with started(self._project, self._ledger, name, command, environ) as wait:
            yield lambda: self._remember(name, extra, wait())

    def has_done(self, name: str) -> bool:
        """Tell whether a step was done once and not forgotten since."""
        return name in read_entries(self._file)

    def forget_from(self, name: str) -> None:
        """Take a step and all that follow it as not done."""
        kept = STEPS[: STEPS.index(name)]
        entries = read_entries(self._file)
        if entries.keys() - set(kept):
            write_json(self._file, {step: entries[step] for step in kept if step in entries})

    def _remember(self, name: str, extra: str, usage: Usage) -> None:
        """Write down that a step is done, with what it found at its end."""
        entry: dict[str, str | int | float] = {
            "key": self._key(name, extra),
            "finished": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
            "seconds": round(usage.seconds, 3),
            "peak_mb": usage.peak_mb,
        }
        write_json(self._file, {**read_entries(self._file), name: entry})

    def _key(self, name: str, extra: str) -> str:
        """Return what a step is made from, the step before it included."""
        position = STEPS.index(name)
        if position == 0:
            return digest(self._base, self._data())
        before = read_entries(self._file).get(STEPS[position - 1], {})
        return digest(self._base, name, before.get("key"), extra)

    def _data(self) -> list[tuple[str, int, int]]:
        """Return the identity of the source tables, if they are on this machine."""
        folder = self._folder("DATA_URI")
        return identity(folder) if folder else []

    def _is_kept(self, name: str) -> bool:
        """Tell whether what a step made has not been removed since."""
        folder = self._folder(_KEPT_IN[name]) if name in _KEPT_IN else None
        return folder is None or (folder.is_dir() and any(folder.iterdir()))

    def _folder(self, variable: str) -> Path | None:
        return local_path(self._variables[variable], self._project.root)
