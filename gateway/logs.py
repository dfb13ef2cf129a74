"""Structured logs: JSON lines in production, coloured ones in development. Configured once by the command line."""

import logging
import secrets
import sys
from contextvars import ContextVar

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from gateway.settings import Settings


class RequestId:
    """The id of an event's request, made when it is first read: most events neither fail nor log."""

    _id = ""  # no __init__: it would run for each event

    def __str__(self) -> str:
        """Return the id, always the same 16 hexadecimal digits."""
        self._id = self._id or secrets.token_hex(8)
        return self._id


# The id of the event that is being handled. HTTP requests bind `request_id` by structlog, which is slower to set.
REQUEST: ContextVar[RequestId | None] = ContextVar("request", default=None)


def add_request_id(_logger: object, _method: str, entry: structlog.types.EventDict) -> structlog.types.EventDict:
    """Add the id of the event that is being handled to a log entry. A processor of structlog."""
    request = REQUEST.get()
    if request is not None:
        entry.setdefault("request_id", str(request))
    return entry


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's loggers (aiohttp, asyncio, libraries) to stderr in one format.

    Production logs warnings and errors unless `LOG_LEVEL` is set.
    """
    level = logging.getLevelNamesMapping()[settings.log_level or ("WARNING" if settings.production else "INFO")]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Tracebacks without local variables, which may hold passwords and tokens.
    renderers: list[structlog.types.Processor] = (
        [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ]
        if settings.production
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
