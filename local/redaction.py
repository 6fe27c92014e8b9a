"""Passwords in URIs: never on the screen, never in a state file."""

import re

_USER_INFO = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/]*@", re.IGNORECASE)
_PARAMETER = re.compile(r"(?P<name>\bpassword=)[^&\s'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Return a text with the password of every URI in it replaced."""
    return _PARAMETER.sub(r"\g<name>***", _USER_INFO.sub(r"\g<before>:***@", text))
