"""Recompile all requirement files together: `python3 -m local.requirements`."""

import os
import sys

from local.bootstrap import ROOT, call, find_python, find_uv
from local.errors import LocalError
from local.pip_settings import uv_environment

PARTS = ("workloads", "inference", "mlflow")
OPTIONS = (
    *("--universal", "--python-version", "3.11", "--generate-hashes"),
    *("--no-header", "--no-emit-index-url", "--annotation-style", "line"),
)


def main() -> int:
    """Resolve the whole set, then each part within the versions of the whole."""
    newer = ["--upgrade"] if os.environ.get("UPGRADE", "") not in {"", "0"} else []
    folder = ROOT / "requirements"
    try:
        uv = find_uv(ROOT, find_python())
        compile_file = [uv, "pip", "compile", "--quiet", *OPTIONS]
        environ = uv_environment(dict(os.environ))
        os.chdir(ROOT)
        for name in ("bootstrap", "dev", *PARTS):
            path = f"requirements/{name}"
            limits = ["--constraints", "requirements/dev.txt"] if name in PARTS else newer
            call([*compile_file, *limits, f"{path}.in", "--output-file", f"{path}.txt"], environ)
            lines = (folder / f"{name}.txt").read_text().splitlines()
            pins = sum(not line.startswith((" ", "#")) for line in lines)
            print(f"requirements/{name}.txt: {pins} packages")
    except LocalError as error:
        print(f"lock: {error}", file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
