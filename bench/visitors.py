"""HTTP load during a measurement: reads of visitors, and changes of a stock by a host. Used by stage.py."""

import http.client
import itertools
import json
import statistics
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

RATE = 40  # requests a second
CHANGES = 8  # one of so many requests is a change of a stock
READS = (
    "/api/v1/products?streamKey=s1",
    "/api/v1/streams/active",
    "/api/v1/streams/s1/messages",
    "/api/v1/streams/s1",
)


class Visitors:
    """Sends requests at a fixed rate over one connection, in a thread of its own: a context manager."""

    def __init__(self, port: int, token: str, products: Sequence[int]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._products = products
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._visit, name="visitors", daemon=True)
        self._seconds: list[float] = []
        self._failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()

    def result(self) -> dict[str, Any]:
        """Return the durations of successful requests, and the first failures."""
        times = sorted(self._seconds) or [float("nan")]
        return {
            "http_p50_us": statistics.median(times) * 1e6,
            "http_p99_us": times[int(len(times) * 0.99)] * 1e6,
            "http_failures": self._failures[:3],
        }

    def _visit(self) -> None:
        due = time.monotonic()
        for number in itertools.count():
            due += 1 / RATE
            if self._ended.wait(max(0.0, due - time.monotonic())):
                return
            try:
                self._ask(number)
            except (OSError, http.client.HTTPException) as error:
                self._failures.append(repr(error))
                self._connection.close()

    def _ask(self, number: int) -> None:
        begun = time.monotonic()
        if number % CHANGES:
            self._connection.request("GET", READS[number % len(READS)], headers=self._headers)
        else:
            product = self._products[number // CHANGES % len(self._products)]
            body = json.dumps({"stock": number})
            self._connection.request("PATCH", f"/api/v1/products/{product}/stock", body, self._headers)
        response = self._connection.getresponse()
        text = response.read()
        if response.status == 200:
            self._seconds.append(time.monotonic() - begun)
        else:
            self._failures.append(f"{response.status} {text[:100]!r}")
