"""The whole gateway, with the pauses of its garbage collector written down. Started by bench/run.py.

PAUSES is a file that gets a line for each collection: how long it took, in ms.
"""

import gc
import os
import sys
import time

from gateway.cli import main


def watch_pauses(path: str) -> None:
    """Write down each collection from now on."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    begun = 0.0

    def note(phase: str, _info: dict[str, int]) -> None:
        nonlocal begun
        if phase == "start":
            begun = time.perf_counter()
        else:
            os.write(file, f"{(time.perf_counter() - begun) * 1000:.3f}\n".encode())

    gc.callbacks.append(note)


if __name__ == "__main__":
    if "PAUSES" in os.environ:
        watch_pauses(os.environ["PAUSES"])
    sys.argv[1:] = ["serve"]
    main()
