"""The packed bodies that the page makes."""

import base64

from ecg_client.recordings import Recording
from shared.ecg import Ecg, narrowed
from shared.encoding import packed
from tests.unit.strategies import same


def is_packed_alike(body: str, recording: Recording) -> bool:
    """Return True if a body, in base64, holds a recording with the narrowest samples, as the Python client packs it."""
    found = packed.decode_content(base64.b64decode(body), only_known=True)
    return same(Ecg.of("", "", found), Ecg.of("", "", narrowed(recording.content)))
