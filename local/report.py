"""What the person reads: one line a fact, the name first."""

_WIDTH = 12


def say(name: str, text: str) -> None:
    """Print one fact about a step or a service."""
    print(f"{name:<{_WIDTH}}{text}", flush=True)


def duration(seconds: float) -> str:
    """Return a time that reads well at any length."""
    minute = 60
    if seconds < minute:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), minute)
    hours, minutes = divmod(minutes, minute)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
