"""A web server that is up from the start.

Without this, a worker answers no health probe, and no gateway, until the first recovery is over, which takes minutes
for a large table. It is deliberate in Faust, so that no query reaches an incomplete table; here the server itself knows
which partitions are complete.
"""

import faust
from typing_extensions import override


class App(faust.App):
    """Faust's app, with its web server up from the start: during recovery it is alive, but not ready."""

    @override
    async def on_started(self) -> None:
        """Start the web server and, after the first recovery, the other services."""
        await self.on_started_init_web_server()
        await super().on_started()
