"""The HTTP API: resources, one dispatcher, one outer layer. The composition root calls `mount`."""

from gateway.http.api import mount

__all__ = ["mount"]
