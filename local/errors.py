"""What is told to the person in one line instead of a traceback."""


class LocalError(Exception):
    """A fault that the person can do something about: what, the value, what to do."""

    def __init__(self, message: str, code: int = 1) -> None:
        """Take the message and the exit code that goes with it."""
        super().__init__(message)
        self.code = code
