"""`dorami serve --workers` with other limits, and perhaps other workers. Run as a program by the tests of workers.

LIMITS is JSON: fields of `Limits`. WORKER_PROGRAM is what is run instead of a worker.
"""

import asyncio
import json
import os
import sys

from gateway import logs
from gateway.settings import load
from gateway.workers import worker_process
from gateway.workers.master import Limits, Master

if __name__ == "__main__":
    settings = load()
    logs.configure(settings)
    if program := os.environ.get("WORKER_PROGRAM"):
        worker_process.COMMAND = (sys.executable, "-c", program)  # type: ignore[misc]
    limits = Limits(**json.loads(os.environ.get("LIMITS", "{}")))
    master = Master(settings, settings.worker_count, lambda url: print(f"ready {url}", flush=True), limits)
    sys.exit(asyncio.run(master.run()))
