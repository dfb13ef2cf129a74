"""The end of a command that failed or refused: an exit code, and a line for each reason. Used by `db` and `backup`."""

from enum import IntEnum

from gateway.server_problems import OperatorError


class Code(IntEnum):
    """Exit codes, the same for all commands."""

    FAILED = 1  # or a difference was found
    USAGE = 2  # a wrong argument or setting
    REFUSED = 3  # production, no consent, no terminal
    LOCKED = 4  # or timed out
    INTERRUPTED = 130


class Stop(OperatorError):
    """Ends the command. The lines are printed on stderr and contain no password."""

    def __init__(self, *lines: str, code: Code = Code.FAILED) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.code = code
