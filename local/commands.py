"""The commands, and how their failures are told."""

import argparse
import errno
import signal
import sys
from types import FrameType

from local.down import down
from local.errors import LocalError
from local.project import Project
from local.rollback import rollback
from local.status import status
from local.up import up

_INTERRUPTED = 130
_REMEDIES = {
    errno.ENOSPC: "Free some space on that disk and try again.",
    errno.EDQUOT: "Free some space in your quota and try again.",
    errno.EFBIG: "Raise the limit on file sizes and try again.",
    errno.EROFS: "Use a checkout on a disk that can be written to.",
    errno.EACCES: "Make it writable for you and try again.",
    errno.EPERM: "Make it writable for you and try again.",
}


def main(project: Project, arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # Under nohup a closed terminal is to be ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    command = _parse(arguments)
    try:
        return _run(project, command)
    except LocalError as error:
        print(f"\nmake {command}: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        place = error.filename or project.local
        remedy = _REMEDIES.get(error.errno or 0, "Put that right and try again.")
        print(f"\nmake {command}: {place}: {error.strerror or error}. {remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            f"\nmake {command}: interrupted. Services that were started keep running: "
            "`make up` goes on from here, `make down` stops them.",
            file=sys.stderr,
        )
        return _INTERRUPTED


def _parse(arguments: list[str]) -> str:
    """Return the command, or end with how it is used."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status", "rollback"))
    return str(parser.parse_args(arguments).command)


def _run(project: Project, command: str) -> int:
    """Run a command by name."""
    if command == "up":
        return up(project, fresh=project.setting("FRESH") not in {"", "0"})
    return {"down": down, "status": status, "rollback": rollback}[command](project)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat a request to end like Ctrl-C: what has been started is left in order."""
    raise KeyboardInterrupt
