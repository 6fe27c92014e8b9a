"""What pip is configured with, for uv: package index, certificates and proxy are set up once."""

import configparser
import os
import sys
from pathlib import Path

# pip's option -> uv's variable; uv separates lists with spaces, and `find-links` with commas.
_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


def uv_environment(environ: "dict[str, str]") -> "dict[str, str]":
    """Return the environment for uv: its own variables, then what only pip knows."""
    result = dict(environ)
    own_index = any(environ.get(name) for name in _INDEX_VARIABLES) or _has_uv_file(environ)
    for option, value in pip_settings(environ).items():
        variable = _VARIABLES.get(option, "")
        if not variable or environ.get(variable):
            continue
        if own_index and variable in _INDEX_VARIABLES:
            continue
        separator = "," if option == "find-links" else " "
        result[variable] = separator.join(value.split())
    if result.get("UV_INDEX") and not environ.get("UV_INDEX"):
        # pip looks at all indexes alike; every file is checked against its hash anyway.
        result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return result


def pip_settings(environ: "dict[str, str]") -> "dict[str, str]":
    """Return pip's options from its files and then its variables; the later ones win."""
    settings: dict[str, str] = {}
    for path in _files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(str(path), encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update(parser.items(section))
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            settings[name[len("PIP_") :].lower().replace("_", "-")] = value
    return settings


def _files(environ: "dict[str, str]") -> "list[Path]":
    """Return pip's configuration files in pip's own order."""
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return []
    home = Path(environ.get("HOME") or "/")
    shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    files = [Path(folder) / "pip" / "pip.conf" for folder in shared.split(":")]
    files += [Path("/etc/pip.conf"), home / ".pip" / "pip.conf"]
    files += [_config_home(environ) / "pip" / "pip.conf", Path(sys.prefix) / "pip.conf"]
    return files + ([Path(chosen)] if chosen else [])


def _has_uv_file(environ: "dict[str, str]") -> bool:
    """Tell whether uv has a configuration file of its own."""
    paths = (_config_home(environ) / "uv" / "uv.toml", Path("/etc/uv/uv.toml"))
    return bool(environ.get("UV_CONFIG_FILE")) or any(path.exists() for path in paths)


def _config_home(environ: "dict[str, str]") -> Path:
    """Return the person's configuration folder."""
    home = environ.get("HOME") or "/"
    return Path(environ.get("XDG_CONFIG_HOME") or str(Path(home) / ".config"))
