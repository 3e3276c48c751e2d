"""Faust's consumer with all corrections: it loses no message that it has fetched, and commits only stored ones."""

from typing_extensions import override

from stream_agents.faust_fixes.changelog_pause import ChangelogPauseThread
from stream_agents.faust_fixes.commit import CommitConsumer, CommitThread
from stream_agents.faust_fixes.consumer_options import OptionsThread
from stream_agents.faust_fixes.fetch import FetchThread
from stream_agents.faust_fixes.flow_control import UnpausedConsumer
from stream_agents.faust_fixes.livelock_check import UncheckedConsumer
from stream_agents.faust_fixes.membership import MembershipConsumer, MembershipThread
from stream_agents.faust_fixes.poll import PollConsumer
from stream_agents.faust_fixes.seek import SeekThread


class ConsumerThread(OptionsThread, MembershipThread, ChangelogPauseThread, FetchThread, SeekThread, CommitThread):
    """The thread in which the consumer's client runs."""


class Consumer(PollConsumer, UnpausedConsumer, UncheckedConsumer, MembershipConsumer, CommitConsumer):
    """The consumer, which the app's loop uses."""

    Thread: type[ConsumerThread]
    thread: ConsumerThread

    @override
    def _new_consumer_thread(self) -> ConsumerThread:
        self.thread = self.Thread(self, loop=self.loop, beacon=self.beacon)
        return self.thread
