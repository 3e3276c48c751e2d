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

    @app.page("/rows/{partition}/{ecg_id}", name="row")
    async def row(view: View, request: Request, partition: str, ecg_id: str) -> Response:
        """Answer 200 with the row, 404 when there is none, 421 when this worker cannot know."""
        if not auth.accepts(request.headers.get(auth.header)):
            return view.text("unauthorized", status=401)
        if not serving.serves(int(partition)):
            return view.text("not served here", status=421)
        found = table.rows.get_row(int(partition), ecg_id.encode())
        if found is None:
            return view.text("no such row", status=404)
        return view.bytes(found, content_type="application/json")
