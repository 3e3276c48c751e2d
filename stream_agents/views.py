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
        """Answer 200 with the row, 404 when there is none, 421 when this worker cannot know.

        A row is right wherever it is found; that there is none is known only to who serves the partition.
        """
        if not auth.accepts(request.headers.get(auth.header)):
            return view.text("unauthorized", status=401)
        number = int(partition)
        found = table.rows.get_row(number, ecg_id.encode()) if table.rows.holds(number) else None
        if found is not None:
            return view.bytes(found, content_type="application/json")
        if serving.serves(number):
            return view.text("no such row", status=404)
        return view.text("not served here", status=421)
