"""The watch of queries notices a recording that is gone, or that has fewer samples than before."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.faults.watch import QueryWatch
from tests.support.canned_gateway import CannedGateway, canned_gateway
from tests.support.conditions import eventually
from tests.support.pipeline import Gateway, Pipeline

if TYPE_CHECKING:
    from tests.support.brokers import Broker


async def watched(gateway: CannedGateway, directory: Path) -> QueryWatch:
    """Return the watch of a recording and an ECG after all prepared answers."""
    gateways = [Gateway("gateway-0", [], {}, directory / "log", url=gateway.url)]
    watch = QueryWatch(Pipeline(cast("Broker", None), directory, gateways=gateways), "token")
    gateway.answer("GET /ecgs/e/insights", 200, {"leads": []})

    async def given() -> bool | None:
        return gateway.requests.count("GET /recordings/r/insights") > 4 or None

    async with watch.watching(["e"], ["r"]):
        await eventually(given)
    return watch


async def test_a_recording_that_goes_on_is_no_fault(tmp_path: Path) -> None:
    with canned_gateway() as gateway:
        for complete_until in (0, 500, 500, 1000):
            gateway.answer("GET /recordings/r/insights", 200, {"complete_until": complete_until})
        watch = await watched(gateway, tmp_path)
    assert (watch.went_back, watch.failed, watch.unexpected.total()) == ([], 0, 0)


async def test_a_recording_that_goes_back_or_is_gone_is_a_fault(tmp_path: Path) -> None:
    with canned_gateway() as gateway:
        for complete_until in (500, 400):
            gateway.answer("GET /recordings/r/insights", 200, {"complete_until": complete_until})
        gateway.answer("GET /recordings/r/insights", 404, {"detail": "Recording not found for id r"})
        gateway.answer("GET /recordings/r/insights", 200, {"complete_until": 450})
        watch = await watched(gateway, tmp_path)
    assert watch.went_back == ["/recordings/r was complete until 500, then until 400"]
    assert dict(watch.unexpected) == {404: 1}
