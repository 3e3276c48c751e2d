"""Logging: structured lines on standard error, for our own loggers and those of libraries.

No line ever holds a signal, a token or a body. See docs/decisions/0013-observability.md.
"""

import logging
import re
import secrets
import sys
import time
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType

import orjson
import structlog
from aiokafka.errors import KafkaError
from structlog.types import EventDict, Processor, WrappedLogger

REQUEST_ID_HEADER = "x-request-id"
"""The header of HTTP requests, HTTP answers and Kafka records that holds the id in a request's log lines."""

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:+/=-]{0,127}")
_FIRST_KEYS = ["timestamp", "level", "logger", "event"]
# They repeat themselves in an outage: every Kafka client of a process logs each attempt to connect, together a hundred
# lines a second, which fill a disk.
_TALKATIVE = ("aiokafka", "faust", "mode")
# Seconds in which a line of theirs is written only once.
_REPEAT_AFTER = 10.0
_REMEMBERED_LINES = 1000
# At DEBUG they log messages and the bytes of requests, so they never log at that level.
_INDISCREET = ("aiokafka", "asyncio", "aiohttp", "httptools", "urllib3", "uvicorn")


class Steps(logging.Filter):
    """Drops lines of libraries below WARNING: each step of their start and stop, which helps only to debug them.

    A logger's name does not tell whose line it is, because Faust logs the steps of a service under the name of the
    module that defines its class, which may be ours. Our own lines come from structlog, as dictionaries.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False if a record is to be dropped."""
        return record.levelno >= logging.WARNING or isinstance(record.msg, dict)


class Repetitions(logging.Filter):
    """Drops lines of talkative libraries that were written a moment ago, and counts them in the next one.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        # For each line: when it was written, and how often it was dropped since.
        self._written: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False if a record is to be dropped."""
        if record.name.partition(".")[0] not in _TALKATIVE:
            return True
        now, line = self._clock(), (record.name, record.getMessage())
        written, dropped = self._written.get(line, (-_REPEAT_AFTER, 0))
        if now - written < _REPEAT_AFTER:
            self._written[line] = written, dropped + 1
            return False
        if len(self._written) >= _REMEMBERED_LINES:
            self._written.clear()
        self._written[line] = now, 0
        if dropped:
            record.msg, record.args = f"{line[1]} (and {dropped} more times since the last such line)", None
        return True


def valid_request_id(value: str | None) -> str | None:
    """Return the request id if it has 1 to 128 characters that are harmless in a log line, else None."""
    return value if value is not None and _REQUEST_ID.fullmatch(value) else None


def new_request_id() -> str:
    """Return a new request id."""
    return secrets.token_hex(16)


def configure(level: str, form: str) -> None:
    """Render the log records of the process from `level` up, as `json` or `logfmt`.

    Libraries log at WARNING and above only, unless `level` is DEBUG.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _describe_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        # A call below the level costs next to nothing.
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(form)],
        )
    )
    if level != "DEBUG":
        handler.addFilter(Steps())
        handler.addFilter(Repetitions(time.monotonic))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for library in _INDISCREET:
        logging.getLogger(library).setLevel(max(root.level, logging.INFO))


def tell(error: BaseException) -> str:
    """Return an error's class, with its text if it comes from the system or Kafka: other texts may quote an ECG."""
    return f"{type(error).__name__}: {error}" if isinstance(error, OSError | KafkaError) else type(error).__name__


def _renderer(form: str) -> Processor:
    if form == "json":
        return _json
    return structlog.processors.LogfmtRenderer(key_order=_FIRST_KEYS, sort_keys=False, bool_as_flag=False)


def _json(_: WrappedLogger, __: str, event: EventDict) -> str:
    ordered = {key: event.pop(key) for key in _FIRST_KEYS if key in event} | dict(event)
    return orjson.dumps(ordered, default=repr, option=orjson.OPT_NON_STR_KEYS).decode()


def _add_request_id(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if "request_id" not in event and (known := request_id.get()) is not None:
        event["request_id"] = known
    return event


def _describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace a line's exception with its description and the functions that raised it."""
    found = event.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["error"] = tell(error)
        event["where"] = _frames(error.__traceback__)
    return event


def _frames(at: TracebackType | None) -> str:
    return " < ".join(f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in reversed(traceback.extract_tb(at)))
