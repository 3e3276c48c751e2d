"""The worker's handlers of signals."""

import asyncio
import signal

import faust

from stream_agents.faust_fixes.worker import Worker

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def test_asyncio_has_no_handlers_to_remove_before_signals_are_ignored() -> None:
    """Their removal would restore the defaults, with which a second signal ends the process by itself."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    loop = asyncio.new_event_loop()
    worker = Worker(faust.App("signals", loop=loop), loop=loop)
    try:
        worker.install_signal_handlers()
        assert not any(signal.getsignal(number) == before[number] for number in SIGNALS)
        assert not any(loop.remove_signal_handler(number) for number in SIGNALS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        loop.close()
