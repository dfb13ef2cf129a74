"""The whole gateway, with a record of the pauses of its garbage collector. Started by bench/run.py.

The file PAUSES gets a line for each collection: its duration in ms.
"""

import gc
import os
import sys
import time

from gateway.cli import main


def watch_pauses(path: str) -> None:
    """Record each collection from now on."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    begun = 0.0

    def record(phase: str, _info: dict[str, int]) -> None:
        nonlocal begun
        if phase == "start":
            begun = time.perf_counter()
        else:
            os.write(file, f"{(time.perf_counter() - begun) * 1000:.3f}\n".encode())

    gc.callbacks.append(record)


if __name__ == "__main__":
    if "PAUSES" in os.environ:
        watch_pauses(os.environ["PAUSES"])
    sys.argv[1:] = ["serve"]
    main()
