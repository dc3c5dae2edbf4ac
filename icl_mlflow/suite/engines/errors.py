"""The error of an engine that is installed and cannot be started."""


class EngineNotStartedError(RuntimeError):
    """Nothing could be trained; the message is one line and says why."""


def first_line(error: BaseException) -> str:
    """What an error says in its first line, or its kind where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
