"""The two clients of the HTTP API, one that blocks and one for asyncio."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
from tenacity import AsyncRetrying, Retrying

from ecg_client import requests, retries
from ecg_client.errors import ClientError, InvalidEcg, NotFound, Unauthorized, Unavailable
from ecg_client.events import Event, Following
from ecg_client.idempotency import idempotency_key as key_of
from ecg_client.live_recordings import AsyncRecordings, Recordings
from ecg_client.recordings import Recording
from ecg_client.requests import Call, Submission
from ecg_client.results import AuditEvent, EcgSummary, Insights, RegisteredUser, StoredEcg, User
from ecg_client.retries import OnOutage
from ecg_client.waiting import Waiting

DEFAULT_URL = "http://127.0.0.1:8000"
# Of each read and write, not of a call: a submission of 16 MiB over a slow line takes minutes.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_RETRY_FOR = 30.0
_LARGEST_PAGE, _LARGEST_AUDIT_PAGE = 200, 1000

T = TypeVar("T")
Dialogue = Generator[Call[Any], Any, T]
"""Calls, each made with the results of those before it."""


class _Client:
    """The state that both clients share: the gateway's address, the user's token, and how long to retry."""

    def __init__(self, url: str, token: str | None, retry_for: float, on_outage: OnOutage | None) -> None:
        self._url = url.rstrip("/")
        address = urlsplit(self._url)
        if address.scheme not in {"http", "https"} or not address.hostname or "@" in address.netloc:
            raise ClientError("the gateway's URL must be like http://127.0.0.1:8000, without a user")
        self._token = token and requests.check_token(token)
        self._retry_for = retry_for
        self._on_outage = on_outage
        # Until a gateway proves to be older than these.
        self._packs = self._batches = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    @property
    def _own_token(self) -> str:
        if not self._token:
            raise Unauthorized("a user's token is needed")
        return self._token

    @property
    def _trust_env(self) -> bool:
        """True if requests go through the environment's proxy, which cannot reach a gateway on this machine."""
        return urlsplit(self._url).hostname not in {"127.0.0.1", "::1", "localhost"}

    def _submitting(self, submission: Submission) -> Dialogue[str]:
        """Submit a recording in the encoding that the gateway is thought to know."""
        call = requests.submit(submission, self._own_token, pack=self._packs)
        try:
            return str((yield call))
        except InvalidEcg as error:
            if not requests.is_too_new(call, error):
                raise
        self._packs = False
        # With the same key: another gateway may have taken the ECG before this one refused the encoding.
        return str((yield requests.submit(submission, self._own_token, pack=False)))

    def _submitting_all(self, submissions: Sequence[Submission]) -> Dialogue[list[str | ClientError]]:
        """Submit recordings, many in one request, and return the id of each, or why it is refused."""
        answers: list[str | ClientError] = []
        for batch in requests.batches(submissions):
            found = yield from self._submitting_batch(batch)
            for submission, answer in zip(batch, found, strict=True):
                if answer is None or isinstance(answer, Unavailable):
                    try:
                        answers.append((yield from self._submitting(submission)))
                    except InvalidEcg as error:
                        answers.append(error)
                else:
                    answers.append(answer)
        return answers

    def _submitting_batch(self, batch: Sequence[Submission]) -> Dialogue[Sequence[str | ClientError | None]]:
        """Submit recordings in one request; the answer is None for those that have to be sent alone."""
        alone = [None] * len(batch)
        if len(batch) == 1 or not (self._packs and self._batches):
            return alone
        try:
            answers: list[str | ClientError] | None = yield requests.submit_batch(batch, self._own_token)
        except InvalidEcg:
            # A proxy may take smaller bodies only.
            return alone
        self._batches = answers is not None
        return answers or alone


def _submission(recording: Recording, idempotency_key: str | None = None) -> Submission:
    given = requests.check_recording(recording)
    return Submission(given, key_of(given) if idempotency_key is None else idempotency_key)


class EcgClient(_Client):
    """A blocking client of the gateway at `url`; threads may share it.

    Every call is retried for `retry_for` seconds while the gateway answers 429, 502, 503 or 504, or does not answer;
    each time after the pause that `Retry-After` asks for, if any. Before each pause, `on_outage` is called with the
    error and the seconds for which the call is still retried.

    Raises:
        Unauthorized: if the token is wrong, or missing for a call that needs one.
        Unavailable: if the gateway does not serve the call in time.
        UnexpectedAnswer: if the server at `url` is not a gateway.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str | None = None,
        *,
        retry_for: float = _RETRY_FOR,
        on_outage: OnOutage | None = None,
    ) -> None:
        super().__init__(url, token, retry_for, on_outage)
        self._http = httpx.Client(base_url=self._url, timeout=_TIMEOUT, trust_env=self._trust_env)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def recordings(self) -> Recordings:
        """The calls about recordings, which arrive in chunks."""
        return Recordings(self._send, self._own_token)

    def register_user(self, username: str, admin_token: str, expires_in: int | None = None) -> User:
        """Register a user, or replace the token of a user who exists; it expires after `expires_in` seconds, if given.

        Raises:
            InvalidEcg: if the username or the time is not allowed.
        """
        return self._send(requests.register_user(username, admin_token, expires_in))

    def users(self, admin_token: str) -> Iterator[RegisteredUser]:
        """Yield all users in the order of their names, fetched page by page."""
        after: str | None = ""
        while after is not None:
            page = self._send(requests.users(admin_token, after))
            yield from page.users
            after = page.next

    def delete_user(self, username: str, admin_token: str) -> bool:
        """Delete a user: the token is revoked, and all of their ECGs and recordings are erased.

        Return True if all are erased, False if the deletion is durable but not yet carried out.

        Raises:
            NotFound: if there is no such user.
        """
        return self._send(requests.delete_user(username, admin_token))

    def audit(
        self,
        admin_token: str,
        *,
        username: str | None = None,
        ecg_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[AuditEvent]:
        """Yield who did what with whose data, the oldest first, page by page.

        Args:
            admin_token: the administrator's token.
            username: only events by this user, or about this user's data.
            ecg_id: only events about this ECG.
            since: the earliest time (inclusive), with a time zone.
            until: the end (exclusive), with a time zone.
        """
        wanted = {"username": username, "ecg_id": ecg_id, "since": since, "until": until, "limit": _LARGEST_AUDIT_PAGE}
        cursor = None
        while True:
            page = self._send(requests.audit(admin_token, wanted, cursor))
            yield from page.events
            if (cursor := page.next) is None:
                return

    def submit(self, recording: Recording, idempotency_key: str | None = None) -> str:
        """Submit a recording and return its id once it is durable.

        The same key and content are the same ECG, whenever they are sent. Without a key, a recording that was read from
        a file has the key that the command `ecg submit` gives that file. Any other gets a new key for this call, so
        that the call's own retries are safe.

        Args:
            recording: what `read` or `Recording.of` returns.
            idempotency_key: 1 to 255 visible ASCII characters; a new one stores the same file as another ECG.

        Raises:
            TypeError: if `recording` is no recording.
            InvalidEcg: if it breaks the schema or a limit.
        """
        return self._hold(self._submitting(_submission(recording, idempotency_key)))

    def submit_all(self, recordings: Iterable[Recording]) -> list[str | ClientError]:
        """Submit recordings, many in one request, and return for each, in their order, its id or why it is refused.

        Those with an id are durable. Each has its own idempotency key, as in `submit`.

        Raises:
            TypeError: if one is no recording; none is sent then.
            Unavailable: if the gateway does not take all of them in time; some may be stored.
        """
        return self._hold(self._submitting_all([_submission(recording) for recording in recordings]))

    def insights(self, ecg_id: str) -> Insights | None:
        """Return an ECG's insights, or None while it is being processed.

        Raises:
            NotFound: if there is no such ECG of this user.
            NotProcessable: if it could not be processed.
        """
        return self._send(requests.insights(ecg_id, self._own_token))

    def insights_as_fhir(self, ecg_id: str) -> dict[str, Any] | None:
        """Return the insights of an ECG as a FHIR R4 Observation, or None while it is being processed.

        Raises:
            NotFound: if there is no such ECG of this user.
            NotProcessable: if it was accepted, but could not be processed.
        """
        return self._send(requests.insights_as_fhir(ecg_id, self._own_token))

    def wait_for_insights(self, ecg_id: str, timeout: float = 30.0, *, submitted: bool = False) -> Insights:
        """Return an ECG's insights as soon as they are there.

        This also waits for an ECG that was produced onto Kafka, which the gateway does not know until it is processed.
        With `submitted`, which says that the ECG was submitted just before, it also waits for one that was erased
        and is submitted again.

        Raises:
            StillProcessing: if they are not there within `timeout` seconds.
            NotFound: if this user has no such ECG, or none was produced and processed in time.
            NotProcessable: if it could not be processed.
        """
        waiting = Waiting(ecg_id, timeout, requests.insights, submitted=submitted)
        while True:
            try:
                if (found := self._send(waiting.call(self._own_token), waiting.left)) is not None:
                    return found
            except NotFound as error:
                waiting.unknown(error)
            else:
                waiting.pending()
            time.sleep(waiting.pause())

    def ecgs(self, label: str | None = None) -> Iterator[EcgSummary]:
        """Yield the user's processed ECGs, page by page; with `label`, only those whose label begins with it.

        The latest accepted comes first. Every ECG that was there at the beginning comes exactly once, even if others
        are submitted meanwhile.
        """
        cursor = None
        while True:
            page = self._send(requests.ecgs(self._own_token, _LARGEST_PAGE, cursor, label))
            yield from page.ecgs
            if (cursor := page.next) is None:
                return

    def ecg(self, ecg_id: str) -> StoredEcg | None:
        """Return an ECG as it was submitted, or None while it is being processed.

        Raises:
            NotFound: if there is no such ECG of this user.
            Gone: if its signals are no longer kept.
            NotProcessable: if it cannot be read.
        """
        return self._send(requests.ecg(ecg_id, self._own_token))

    def erase(self, ecg_id: str) -> bool:
        """Erase an ECG, its signals and its insights; False if the erasure is durable but not yet carried out.

        Raises:
            NotFound: if there is no such ECG of this user.
        """
        return self._send(requests.erase(ecg_id, self._own_token))

    def events(self, last_id: str | None = None, opened: Callable[[], None] | None = None) -> Iterator[Event]:
        """Yield the user's ECGs as they finish: from now on, or those after the event `last_id`.

        A stream that ends is opened again and resumes where it ended: an event may come twice, and none is missed.
        `opened` is called each time the stream opens.

        Raises:
            Unauthorized: if the token is revoked.
            Unavailable: if the stream cannot be opened for `retry_for` seconds.
            InvalidEcg: if `last_id` is not the id of an event.
        """
        following = Following(self._own_token, last_id, self._retry_for, self._on_outage)
        while True:
            unavailable = None
            try:
                with self._http.stream("GET", "/events", headers=following.headers) as answer:
                    if not answer.is_success:
                        answer.read()
                    following.opened(answer)
                    if opened is not None:
                        opened()
                    for chunk in answer.iter_bytes():
                        yield from following.read(chunk)
            except retries.TRANSIENT as error:
                unavailable = retries.unanswered(self._url, error)
            except Unavailable as error:
                unavailable = error
            time.sleep(following.pause(unavailable))

    def _hold(self, dialogue: Dialogue[T]) -> T:
        given: Any = None
        try:
            while True:
                call = dialogue.send(given) if not isinstance(given, ClientError) else dialogue.throw(given)
                try:
                    given = self._send(call)
                except ClientError as error:
                    given = error
        except StopIteration as end:
            result: T = end.value
            return result

    def _send(self, call: Call[T], within: float = math.inf) -> T:
        result: T = Retrying(**retries.policy(min(self._retry_for, within), self._on_outage))(self._send_once, call)
        return result

    def _send_once(self, call: Call[T]) -> T:
        try:
            answer = self._http.request(call.method, call.path, headers=call.headers, content=call.body)
        except retries.TRANSIENT as error:
            raise retries.unanswered(self._url, error) from None
        return call.result(answer)


class AsyncEcgClient(_Client):
    """`EcgClient` for asyncio: the same calls, results and errors."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        token: str | None = None,
        *,
        retry_for: float = _RETRY_FOR,
        on_outage: OnOutage | None = None,
    ) -> None:
        super().__init__(url, token, retry_for, on_outage)
        self._http = httpx.AsyncClient(base_url=self._url, timeout=_TIMEOUT, trust_env=self._trust_env)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    @property
    def recordings(self) -> AsyncRecordings:
        """See `EcgClient.recordings`."""
        return AsyncRecordings(self._send, self._own_token)

    async def register_user(self, username: str, admin_token: str, expires_in: int | None = None) -> User:
        """See `EcgClient.register_user`."""
        return await self._send(requests.register_user(username, admin_token, expires_in))

    async def users(self, admin_token: str) -> AsyncIterator[RegisteredUser]:
        """See `EcgClient.users`."""
        after: str | None = ""
        while after is not None:
            page = await self._send(requests.users(admin_token, after))
            for user in page.users:
                yield user
            after = page.next

    async def delete_user(self, username: str, admin_token: str) -> bool:
        """See `EcgClient.delete_user`."""
        return await self._send(requests.delete_user(username, admin_token))

    async def audit(
        self,
        admin_token: str,
        *,
        username: str | None = None,
        ecg_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> AsyncIterator[AuditEvent]:
        """See `EcgClient.audit`."""
        wanted = {"username": username, "ecg_id": ecg_id, "since": since, "until": until, "limit": _LARGEST_AUDIT_PAGE}
        cursor = None
        while True:
            page = await self._send(requests.audit(admin_token, wanted, cursor))
            for event in page.events:
                yield event
            if (cursor := page.next) is None:
                return

    async def submit(self, recording: Recording, idempotency_key: str | None = None) -> str:
        """See `EcgClient.submit`."""
        return await self._hold(self._submitting(_submission(recording, idempotency_key)))

    async def submit_all(self, recordings: Iterable[Recording]) -> list[str | ClientError]:
        """See `EcgClient.submit_all`."""
        return await self._hold(self._submitting_all([_submission(recording) for recording in recordings]))

    async def insights(self, ecg_id: str) -> Insights | None:
        """See `EcgClient.insights`."""
        return await self._send(requests.insights(ecg_id, self._own_token))

    async def insights_as_fhir(self, ecg_id: str) -> dict[str, Any] | None:
        """See `EcgClient.insights_as_fhir`."""
        return await self._send(requests.insights_as_fhir(ecg_id, self._own_token))

    async def wait_for_insights(self, ecg_id: str, timeout: float = 30.0, *, submitted: bool = False) -> Insights:
        """See `EcgClient.wait_for_insights`."""
        waiting = Waiting(ecg_id, timeout, requests.insights, submitted=submitted)
        while True:
            try:
                if (found := await self._send(waiting.call(self._own_token), waiting.left)) is not None:
                    return found
            except NotFound as error:
                waiting.unknown(error)
            else:
                waiting.pending()
            await asyncio.sleep(waiting.pause())

    async def ecgs(self, label: str | None = None) -> AsyncIterator[EcgSummary]:
        """See `EcgClient.ecgs`."""
        cursor = None
        while True:
            page = await self._send(requests.ecgs(self._own_token, _LARGEST_PAGE, cursor, label))
            for ecg in page.ecgs:
                yield ecg
            if (cursor := page.next) is None:
                return

    async def ecg(self, ecg_id: str) -> StoredEcg | None:
        """See `EcgClient.ecg`."""
        return await self._send(requests.ecg(ecg_id, self._own_token))

    async def erase(self, ecg_id: str) -> bool:
        """See `EcgClient.erase`."""
        return await self._send(requests.erase(ecg_id, self._own_token))

    async def events(
        self, last_id: str | None = None, opened: Callable[[], None] | None = None
    ) -> AsyncGenerator[Event]:
        """See `EcgClient.events`; close the generator (`contextlib.aclosing`) when you stop reading."""
        following = Following(self._own_token, last_id, self._retry_for, self._on_outage)
        while True:
            unavailable = None
            try:
                async with self._http.stream("GET", "/events", headers=following.headers) as answer:
                    if not answer.is_success:
                        await answer.aread()
                    following.opened(answer)
                    if opened is not None:
                        opened()
                    async for chunk in answer.aiter_bytes():
                        for event in following.read(chunk):
                            yield event
            except retries.TRANSIENT as error:
                unavailable = retries.unanswered(self._url, error)
            except Unavailable as error:
                unavailable = error
            await asyncio.sleep(following.pause(unavailable))

    async def _hold(self, dialogue: Dialogue[T]) -> T:
        given: Any = None
        try:
            while True:
                call = dialogue.send(given) if not isinstance(given, ClientError) else dialogue.throw(given)
                try:
                    given = await self._send(call)
                except ClientError as error:
                    given = error
        except StopIteration as end:
            result: T = end.value
            return result

    async def _send(self, call: Call[T], within: float = math.inf) -> T:
        return await AsyncRetrying(**retries.policy(min(self._retry_for, within), self._on_outage))(
            self._send_once, call
        )

    async def _send_once(self, call: Call[T]) -> T:
        try:
            answer = await self._http.request(call.method, call.path, headers=call.headers, content=call.body)
        except retries.TRANSIENT as error:
            raise retries.unanswered(self._url, error) from None
        return call.result(answer)
