"""Structured logs: JSON lines in production, coloured ones in development. Configured once by the command line."""

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from gateway.settings import Settings


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's loggers (aiohttp, asyncio, libraries) to stderr in one form.

    Production logs warnings and errors unless `LOG_LEVEL` is set.
    """
    level = logging.getLevelNamesMapping()[settings.log_level or ("WARNING" if settings.production else "INFO")]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
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
