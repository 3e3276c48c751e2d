"""The worker's HTTP views: rows of the table for the gateways."""

from faust.types import AppT
from faust.web import Request, Response, View

from shared.internal import InternalAuth
from stream_agents.serving import Serving
from stream_agents.table import InsightsTable


def add_views(app: AppT, table: InsightsTable, serving: Serving, auth: InternalAuth) -> None:
    """Add the views to a worker's web server."""

    @app.page("/health", name="health")
    async def health(view: View, request: Request) -> Response:
        return view.text("ok")

    @app.page("/health/ready", name="ready")
    async def ready(view: View, request: Request) -> Response:
        """Answer 200 while the worker is in the group and its partitions are recovered, else 503."""
        return view.text("ready") if serving.ready else view.text("not ready", status=503)

    @app.page("/rows/{partition}/{ecg_id}", name="row")
    async def row(view: View, request: Request, partition: str, ecg_id: str) -> Response:
        """Answer 200 with the row, 404 when there is none, 421 when this worker cannot know.

        A row is right wherever it is found; that there is none is known only to who serves the partition, or has a
        copy of it that is not behind.
        """
        if not auth.accepts(request.headers.get(auth.header)):
            return view.text("unauthorized", status=401)
        number, key = int(partition), ecg_id.encode()
        if (found := table.find(number, key)) is not None:
            return view.bytes(found, content_type="application/json")
        if not await serving.knows(number):
            return view.text("not served here", status=421)
        # A copy may just have caught up with it.
        if (found := table.find(number, key)) is not None:
            return view.bytes(found, content_type="application/json")
        return view.text("no such row", status=404)
