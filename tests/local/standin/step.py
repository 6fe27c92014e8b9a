"""A workload that does next to nothing: which one is told by the file's own name."""

import os
import sys
import time
from pathlib import Path

name = Path(__file__).stem
root = Path.cwd()
with (root / "ran.txt").open("a") as file:
    file.write(" ".join([name, *sys.argv[1:]]) + "\n")
(root / f"{name}.env").write_text("\n".join(f"{k}={v}" for k, v in sorted(os.environ.items())))
where = f" on a terminal of {os.get_terminal_size(2).columns}" if sys.stderr.isatty() else ""
sys.stderr.write(f"{name} works{where}\n")
if os.environ.get("SLOW") == name:
    time.sleep(60)
if os.environ.get("FAIL") == name:
    sys.exit(f"{name} met a broken column\npostgresql://ml:secret@host/db")


def folder(variable: str) -> Path:
    """Return a folder of the contract, made if it is not there."""
    path = Path(os.environ[variable].removeprefix("file://"))
    path.mkdir(parents=True, exist_ok=True)
    return path


if name == "feature_gen":
    landed = folder("DATA_URI") / "landed.csv"
    if not landed.exists():
        landed.write_text("a,b\n1,2\n")
    (folder("FEATURES_URI") / "view.txt").write_text(landed.read_text())
if name == "train":
    training = folder("ARTIFACTS_URI") / "training"
    training.mkdir(exist_ok=True)
    (training / "state.txt").write_text("3 epochs")
if name == "promote" and os.environ.get("REFUSE") != "1":
    alias = root / "alias.txt"
    before = int(alias.read_text()) if alias.exists() else 0
    alias.write_text(str(before - 1 if "--rollback" in sys.argv else before + 1))
