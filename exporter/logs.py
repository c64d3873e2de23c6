"""Structured logs: one line an event, to one stream, as logfmt or JSON."""

from typing import Literal, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

Level = Literal["debug", "info", "warn", "error"]
LogFormat = Literal["logfmt", "json"]


def make_log(stream: TextIO, level: Level, form: LogFormat) -> FilteringBoundLogger:
    """A logger of its own; nothing global is configured."""
    first = ["ts", "level", "msg"]
    render: Processor = (
        structlog.processors.LogfmtRenderer(key_order=first, bool_as_flag=False)
        if form == "logfmt"
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    log: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.EventRenamer("msg"),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    return log
