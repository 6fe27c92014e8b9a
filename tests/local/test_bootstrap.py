"""Making `.venv`: once, whole or not at all, with the package index that pip is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from local import bootstrap
from local.errors import LocalError
from local.pip_settings import uv_environment

UV = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$1" in
venv) for last; do :; done
  mkdir -p "$last/bin" && ln -sf {python} "$last/bin/python"
  echo "version_info = 3.11.7" > "$last/pyvenv.cfg" ;;
pip) exit "${{UV_FAILS:-0}}" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with requirements, and put a stand-in for uv on PATH."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").write_text(UV.format(python=sys.executable))
    (tools / "uv").chmod(0o755)
    (tools / "python3.11").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    root = tmp_path / "my platform"
    (root / "requirements").mkdir(parents=True)
    (root / "requirements" / "dev.txt").write_text("one==1\n")
    (root / "requirements" / "bootstrap.txt").write_text("uv==1.2.3 \\\n    --hash=sha256:0\n")
    return root


def _calls(root: Path) -> list[str]:
    path = root.parent / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [" ".join(line.split()[:2]) for line in lines]


def test_the_second_time_nothing_is_run(checkout: Path) -> None:
    bootstrap.ensure_environment(checkout)
    assert _calls(checkout) == ["venv --no-project", "pip sync"]
    bootstrap.ensure_environment(checkout)
    assert _calls(checkout) == []


def test_new_requirements_are_installed_into_the_same_environment(checkout: Path) -> None:
    bootstrap.ensure_environment(checkout)
    _calls(checkout)
    (checkout / "requirements" / "dev.txt").write_text("one==2\n")
    bootstrap.ensure_environment(checkout)
    assert _calls(checkout) == ["pip sync"]


def test_a_failed_installation_is_not_taken_for_a_finished_one(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bootstrap.ensure_environment(checkout)
    (checkout / "requirements" / "dev.txt").write_text("one==2\n")
    monkeypatch.setenv("UV_FAILS", "2")
    with pytest.raises(LocalError, match="exit code 2"):
        bootstrap.ensure_environment(checkout)
    monkeypatch.delenv("UV_FAILS")
    (checkout / "requirements" / "dev.txt").write_text("one==1\n")
    _calls(checkout)
    bootstrap.ensure_environment(checkout)
    assert _calls(checkout) == ["pip sync"]


def test_a_python_that_is_gone_means_a_new_environment(checkout: Path) -> None:
    bootstrap.ensure_environment(checkout)
    _calls(checkout)
    (checkout / ".venv" / "bin" / "python").unlink()
    bootstrap.ensure_environment(checkout)
    assert _calls(checkout) == ["venv --no-project", "pip sync"]


def test_without_a_new_enough_python_the_message_says_which(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = checkout.parent / "old"
    tools.mkdir()
    (tools / "python3").write_text("#!/bin/sh\necho 3 9 2\n")
    (tools / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(LocalError, match=r"no Python 3\.11 or newer on PATH"):
        bootstrap.ensure_environment(checkout)


def test_a_python_without_pip_and_ensurepip_is_named(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = checkout.parent / "bare"
    bare.mkdir()
    (bare / "python3").write_text('#!/bin/sh\n[ "$1" = -c ] && echo 3 11 2 || exit 1\n')
    (bare / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", str(bare))
    with pytest.raises(LocalError, match="neither pip nor ensurepip"):
        bootstrap.ensure_environment(checkout)
    assert not (checkout / ".local" / "uv.draft").exists()


def test_a_pinned_uv_is_kept_for_the_next_time(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = checkout / ".local" / "bin" / "uv-1.2.3"
    own.parent.mkdir(parents=True)
    own.touch()
    monkeypatch.setenv("PATH", "/nowhere")
    assert bootstrap.find_uv(checkout, "python3") == str(own)


def test_uv_gets_what_only_pip_is_told(tmp_path: Path) -> None:
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    (tmp_path / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://mirror/simple\ncert = /ca.pem\n"
        "extra-index-url =\n  https://one/simple\n  https://two/simple\n"
    )
    given = uv_environment({"HOME": str(tmp_path), "PIP_FIND_LINKS": "/wheels /more"})
    assert given["UV_DEFAULT_INDEX"] == "https://mirror/simple"
    assert given["UV_INDEX"] == "https://one/simple https://two/simple"
    assert given["SSL_CERT_FILE"] == "/ca.pem"
    assert given["UV_FIND_LINKS"] == "/wheels,/more"


def test_pip_variables_win_over_its_files_and_uv_variables_over_both(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[install]\nindex-url = https://file/simple\n")
    environ = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
    assert uv_environment(environ)["UV_DEFAULT_INDEX"] == "https://file/simple"
    environ["PIP_INDEX_URL"] = "https://variable/simple"
    assert uv_environment(environ)["UV_DEFAULT_INDEX"] == "https://variable/simple"
    environ["UV_INDEX_URL"] = "https://uv/simple"
    assert "UV_DEFAULT_INDEX" not in uv_environment(environ)


def test_the_bootstrap_needs_the_standard_library_only() -> None:
    path = f"import sys; sys.path.insert(0, {str(bootstrap.ROOT)!r})"
    code = f"{path}; import local.bootstrap, local.requirements"
    assert subprocess.call([sys.executable, "-I", "-S", "-c", code]) == 0
