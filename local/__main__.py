"""`python -m local up|down|status|rollback`: the platform on one machine."""

import sys

from local.commands import main
from local.project import Project

sys.exit(main(Project(), sys.argv[1:]))
