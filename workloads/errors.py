"""The one error that a person can mend: it is printed as a line, never as a traceback."""

import logging
import sys
from collections.abc import Callable

logger = logging.getLogger("workloads")


class WorkloadError(Exception):
    """What is wrong, the value, and what to do."""


def command(main: Callable[[], None]) -> None:
    """Run a workload's `main` as a process: exit 0, or 1 with one line on stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logger.setLevel(logging.INFO)
    try:
        main()
    except WorkloadError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        # A full disk, a refused permission, a store that is gone: the system's words name the path.
        sys.exit(f"error: {error}")
