"""Accepts recordings: their announcement, chunks and end. Each of them is durable once it is answered."""

import msgspec
from fastapi import Request

from ingest_api.http.body import check_media_type
from ingest_api.http.errors import Unprocessable
from ingest_api.queries.lookup import Lookup
from ingest_api.submissions.intake import Destination, Intake, idempotency_key, refusing
from shared.chunk import Chunk
from shared.ecg import Content
from shared.encoding import MEDIA_TYPES, decode_chunk_submission, packed, plain
from shared.kafka.topics import Topics
from shared.security.ids import IdIssuer


class Recordings:
    """Publishes the chunks of recordings for the workers."""

    def __init__(self, topics: Topics, intake: Intake, issuer: IdIssuer, lookup: Lookup) -> None:
        self._intake = intake
        self._issuer = issuer
        self._lookup = lookup
        self._destination = Destination(topics.chunks.name, packed.encode_chunk, plain.encode_chunk)

    async def begin(self, request: Request, username: str) -> str:
        """Announce a recording and return its id.

        Raises:
            ApiError: if the body is refused, or the broker does not acknowledge it in time.
        """
        check_media_type(request)
        key = idempotency_key(request)
        async with self._intake.body(request, username) as body:
            with refusing():
                content = plain.decode_announcement(body)
                chunk = Chunk.begun(self._issue(username, key, content), username, content)
            await self._intake.publish(chunk, self._destination, "recording_begun", is_packed=False)
        return chunk.id

    async def add(self, request: Request, username: str, recording_id: str) -> Chunk:
        """Accept samples of a user's recording, and return them as a chunk.

        Raises:
            ApiError: as in `begin`, and if the user has no such recording.
        """
        media_type = check_media_type(request, MEDIA_TYPES)
        async with self._intake.body(request, username) as body:
            await self._lookup.check(request, recording_id, username)
            with refusing():
                first_sample, content = decode_chunk_submission(body, media_type)
                chunk = Chunk.begun(recording_id, username, content, first_sample)
            if not chunk.count:
                raise Unprocessable("leads[0].signal: must hold samples", field="leads[0].signal")
            # Chunks are not recorded in the audit: a device sends one a second, and the audit has its announcement.
            is_packed = media_type == packed.CONTENT_TYPE
            await self._intake.publish(chunk, self._destination, None, is_packed=is_packed)
        return chunk

    async def end(self, request: Request, username: str, recording_id: str) -> int:
        """End a user's recording, and return the number of its samples.

        Raises:
            ApiError: as in `add`.
        """
        check_media_type(request)
        async with self._intake.body(request, username) as body:
            await self._lookup.check(request, recording_id, username)
            with refusing():
                total = plain.decode_end(body)
                chunk = Chunk.begun(recording_id, username, Content(None, ()), total, end=True)
            await self._intake.publish(chunk, self._destination, "recording_ended", is_packed=False)
        return total

    def _issue(self, username: str, key: str | None, content: Content) -> str:
        if key is None:
            return self._issuer.issue(username, recording=True)
        # As for ECGs, a label does not make another recording.
        unlabelled = msgspec.structs.replace(content, label=None)
        announcement = packed.encode_chunk(Chunk.begun("", username, unlabelled))
        return self._issuer.issue_once(username, key, announcement, recording=True)
