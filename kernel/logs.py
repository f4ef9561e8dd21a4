"""Logs: events with fields, one line each; JSON where a machine reads them, colours where a person does."""

import logging
import sys
from typing import TextIO

import structlog


def set_up(*, process: str, stream: TextIO | None = None, json_lines: bool | None = None) -> None:
    """Configure logging for a process; JSON lines unless the stream is a terminal."""
    out = stream or sys.stderr
    as_json = not out.isatty() if json_lines is None else json_lines
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(out),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(stream=out, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
