"""The thin HTTP side: one file per resource around one dispatcher. The composition root calls `mount`."""

from gateway.http.api import mount

__all__ = ["mount"]
