"""The Makefile: short, portable, and every target explained."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = ("up", "status", "down", "rollback", "test", "check", "bench", "lock")


def test_help_is_the_default_and_explains_every_target() -> None:
    text = subprocess.run(
        ["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for target in TARGETS:
        assert re.search(rf"^make {target}\b", text, re.MULTILINE), target


def test_every_target_has_a_rule_and_no_file_can_stand_for_it() -> None:
    [phony] = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert {*phony.split()} == {*TARGETS, "help", "environment"}
    for target in TARGETS:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_it_is_short_and_needs_no_particular_make() -> None:
    assert len(MAKEFILE.splitlines()) < 40
    assert not re.search(r":=|\?=|\$\((shell|if|wildcard|foreach)\b|^ifn?(eq|def)", MAKEFILE)
