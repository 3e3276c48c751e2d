"""The worker's HTTP views: rows of the table, for gateways only."""

import itertools

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from faust.types import AppT
from faust.web import Request, Response, View
from typing_extensions import override

from shared.messages import insights
from shared.messages.insights import Insights
from shared.worker_protocol.auth import InternalAuth
from shared.worker_protocol.listing import decode_query
from stream_agents.serving.assignment import Serving
from stream_agents.serving.waiters import Moved, Waits
from stream_agents.table.insights_table import InsightsTable
from stream_agents.table.recording_parts import parts

# For health probes, which know no secret.
_OPEN = ("/health", "/health/ready")

# Decoded if there is no row, so that the answer takes as long as for another user's row, here one of twelve leads.
_NO_ROW = insights.encode(Insights("", "", [{"name": "aVR", "number_of_zero_crossings": 1000}] * 12, accepted=1))


def gateways_only(auth: InternalAuth) -> Middleware:
    """Return a middleware that accepts only gateways on all paths, Faust's own included, but those of health probes."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _OPEN and not auth.accepts(request.headers.get(auth.header)):
            return web.Response(text="unauthorized", status=401)
        return await handler(request)

    return check


def add_views(app: AppT, table: InsightsTable, waits: Waits, serving: Serving) -> None:
    """Add the views to a worker's web server."""

    @app.page("/health", name="health")
    async def health(view: View, request: Request) -> Response:
        return view.text("ok")

    @app.page("/health/ready", name="ready")
    async def ready(view: View, request: Request) -> Response:
        """Answer with the partitions served: 200 while the worker is in the group and has recovered them, else 503."""
        status, code = ("ready", 200) if serving.ready else ("not ready", 503)
        return view.json({"status": status, "partitions": sorted(serving.partitions)}, status=code)

    @app.page("/rows/{partition}/{ecg_id}", name="row")
    async def row(view: View, request: Request, partition: str, ecg_id: str) -> Response:
        """Answer 200 with the row, 404 if there is none, 421 if this worker cannot know.

        Only a worker that serves the partition, or has an up-to-date copy of it, can know: an older copy might still
        hold an erased ECG. With `?wait=seconds` such a worker answers as soon as it has the row, with 404 after that
        time, or at once if too many requests wait, and with 421 when partitions are reassigned.

        With `?owner=username` only that user's row counts: another user's row is answered, and waited for, like a
        missing one, at the same cost. The 404 names the owner, for the audit.
        """
        number, key = int(partition), ecg_id.encode()
        wait, asking = request.query.get("wait"), request.query.get("owner")
        if not await serving.knows(number):
            return view.text("not served here", status=421)
        found = table.find(number, key)
        owner = insights.owner(found or _NO_ROW)
        if wait and (found is None or asking not in (None, owner)):
            try:
                found = await waits.row(key, float(wait), asking) or table.find(number, key)
            except Moved:
                return view.text("not served here any more", status=421)
            owner = insights.owner(found or _NO_ROW)
        if found is None or asking not in (None, owner):
            return view.bytes(insights.without_content(ecg_id, owner), status=404, content_type="application/json")
        return view.bytes(found, content_type="application/json")

    @app.page("/parts/{partition}/{recording_id}", name="parts")
    async def parts_of(view: View, request: Request, partition: str, recording_id: str) -> Response:
        """Answer 200 with the rows of a recording's parts as a list, or 421 if this worker cannot know, as for rows.

        `?kind=&from=&to=&limit=` are the kind of the parts, the range of their numbers, and the largest number of rows.
        The gateway has checked the recording's owner before.
        """
        number, asked = int(partition), request.query
        if not await serving.knows(number):
            return view.text("not served here", status=421)
        numbers = range(int(asked["from"]), int(asked["to"]))
        rows = parts(table.rows, number, recording_id.encode(), asked["kind"], numbers)
        found = b",".join(itertools.islice(rows, int(asked["limit"])))
        return view.bytes(b"[" + found + b"]", content_type="application/json")

    @app.page("/listing", name="listing")
    class Listing(View):
        """A page of a user's list."""

        @override
        async def post(self, request: Request) -> Response:
            """Answer 200 with a page from those of the requested partitions that this worker knows."""
            try:
                query = decode_query(await request.read())
            except msgspec.DecodeError:
                return self.text("not a valid query", status=400)
            page = table.page(query, await serving.known(query.partitions))
            return self.bytes(page, content_type="application/json")
