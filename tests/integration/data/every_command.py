"""Run several commands of `dorami` in one process: `python -m … '[["db", "list"], …]'` prints how each has ended.

Called by test_failures.py. A process for each command would mostly import.
"""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout

from gateway.cli import main


def end_of(arguments: list[str]) -> tuple[int, str, str]:
    """Run one command; its exit code, its results and its remarks."""
    sys.argv = ["dorami", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    print(json.dumps([end_of(arguments) for arguments in json.loads(sys.argv[1])]))
