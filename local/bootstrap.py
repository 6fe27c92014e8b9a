"""Make `.venv` from the pinned requirements: `python3 -m local.bootstrap`, standard library only.

The syntax stays old on purpose: an older Python must get far enough to say what is missing.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from local.errors import LocalError
from local.lock import Lock
from local.pip_settings import uv_environment

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NAMES = ("python3.13", "python3.12", "python3.11", "python3")


def main() -> int:
    """Make or refresh the environment; say in one line what is wrong if that fails."""
    try:
        ensure_environment(ROOT)
    except LocalError as error:
        print(f"environment: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(
            f"environment: {error}. Free some space or permit writing, and try again.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("\nenvironment: interrupted; `make up` goes on from here.", file=sys.stderr)
        return 130
    return 0


def ensure_environment(root: Path) -> None:
    """Install what `requirements/dev.txt` pins, unless that is what is installed."""
    requirements = root / "requirements" / "dev.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if is_current(root, digest):
        return
    with Lock(root / ".local" / "lock", "make environment"):
        started = time.monotonic()
        stamp = root / ".venv" / "stamp"
        if stamp.exists():
            stamp.unlink()
        install(root, requirements)
        draft = stamp.with_suffix(".draft")
        draft.write_text(stamp_text(root, digest))
        os.replace(str(draft), str(stamp))
        print(f"environment: ready in {time.monotonic() - started:.1f} s", flush=True)


def is_current(root: Path, digest: str) -> bool:
    """Tell whether `.venv` holds exactly these requirements for a Python that is still there."""
    stamp = root / ".venv" / "stamp"
    works = all((root / ".venv" / part).exists() for part in ("bin/python", "pyvenv.cfg"))
    return works and stamp.exists() and stamp.read_text() == stamp_text(root, digest)


def stamp_text(root: Path, digest: str) -> str:
    """Return what the stamp of a finished installation says."""
    lines = (root / ".venv" / "pyvenv.cfg").read_text().splitlines()
    version = [line for line in lines if line.startswith(("version", "home"))]
    return "\n".join([digest, *version]) + "\n"


def install(root: Path, requirements: Path) -> None:
    """Bring `.venv` to exactly what the file pins, each file checked against its hash."""
    python = str(root / ".venv" / "bin" / "python")
    made = version_of(python) >= OLDEST
    base = python if made else find_python()
    uv = find_uv(root, base)
    environ = uv_environment(dict(os.environ))
    # Ours is a plain environment with the Python of the machine, whatever else is configured.
    environ.update(UV_PYTHON_DOWNLOADS="never", UV_VENV_CLEAR="1")
    number = ".".join(str(part) for part in version_of(base))
    print(f"environment: installing {requirements.name} for Python {number}", flush=True)
    if not made:
        call(
            [uv, "venv", "--no-project", "--quiet", "--python", base, str(root / ".venv")], environ
        )
    call([uv, "pip", "sync", "--python", python, "--require-hashes", str(requirements)], environ)


def find_python() -> str:
    """Return the newest Python on PATH that is new enough."""
    for name in NAMES:
        path = shutil.which(name)
        if path and version_of(path) >= OLDEST:
            return path
    oldest = ".".join(str(part) for part in OLDEST)
    running = ".".join(str(part) for part in sys.version_info[:3])
    raise LocalError(
        f"no Python {oldest} or newer on PATH (looked for {', '.join(NAMES)}; this is {running}). "
        f"Install one, for example `apt install python{oldest}`, and try again."
    )


def version_of(python: str) -> "tuple[int, ...]":
    """Return the version of an interpreter, or nothing if it does not run."""
    code = "import sys; print(*sys.version_info[:3])"
    try:
        output = subprocess.check_output([python, "-c", code], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return tuple(int(part) for part in output.split())


def find_uv(root: Path, python: str) -> str:
    """Return the uv on PATH, or one of the pinned version for this project alone."""
    pinned = root / "requirements" / "bootstrap.txt"
    version = pinned.read_text().split("==", 1)[1].split()[0]
    own = root / ".local" / "bin" / f"uv-{version}"
    found = shutil.which("uv") or (str(own) if own.exists() else "")
    if found:
        return found
    print(f"environment: getting uv {version}", flush=True)
    draft = root / ".local" / "uv.draft"
    shutil.rmtree(str(draft), ignore_errors=True)
    try:
        get_uv(python, pinned, draft)
        own.parent.mkdir(parents=True, exist_ok=True)
        os.replace(str(draft / "uv" / "bin" / "uv"), str(own))
    finally:
        shutil.rmtree(str(draft), ignore_errors=True)
    return str(own)


def get_uv(python: str, pinned: Path, draft: Path) -> None:
    """Install uv below a folder with whatever pip there is."""
    options = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    options += ["--require-hashes", "--requirement", str(pinned), "--target", str(draft / "uv")]
    if runs([python, "-m", "pip", "--version"]):
        pip = [python, "-m", "pip"]
    elif runs([python, "-m", "venv", str(draft / "venv")]):
        pip = [str(draft / "venv" / "bin" / "python"), "-m", "pip"]
    else:
        raise LocalError(
            f"{python} has neither pip nor ensurepip, so uv cannot be installed. Install uv "
            "(or, on Debian and Ubuntu, `apt install python3-venv`) and try again."
        )
    # A target folder is neither the person's own site nor an environment to be active.
    plain = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_ROOT_USER_ACTION": "ignore"}
    call([*pip, "install", *options], dict(os.environ, **plain))


def runs(command: "list[str]") -> bool:
    """Tell whether a command ends well, without showing what it prints."""
    quiet = subprocess.DEVNULL
    return subprocess.call(command, stdout=quiet, stderr=quiet) == 0


def call(command: "list[str]", environ: "dict[str, str]") -> None:
    """Run a command in plain sight; its failure is ours."""
    code = subprocess.call(command, env=environ)
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code != 0:
        raise LocalError(
            f"`{' '.join(command[:3])}` failed with exit code {code}; its message is above. "
            "Put that right and try again: what was downloaded is kept."
        )


if __name__ == "__main__":
    sys.exit(main())
