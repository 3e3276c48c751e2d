"""What audit, TLS and asyncio's event loop cost: each beside the pipeline with all defaults."""

from pathlib import Path

from benchmarks.compare import ACTIVITIES, Comparison, Variant
from benchmarks.ecgs import SMALL
from benchmarks.run import Figures, Run
from benchmarks.services import Code

COMPARISON = Comparison(
    "options",
    (
        Variant("by default"),
        Variant("without audit", settings={"ECG_AUDIT": "false"}),
        Variant("with TLS", secure=True),
        Variant("on uvloop", Code(runner="benchmarks.on_uvloop")),
    ),
    (SMALL,),
)


async def run(run: Run) -> Figures:
    """Measure all variants in turn."""
    figures = Figures()
    for name in run.pick(list(ACTIVITIES), ["accept"]):
        await ACTIVITIES[name](COMPARISON, run, figures)
    return figures


def section(figures: Figures, _: Path) -> str:
    """Write the section of the report."""
    return f"""## Options

What the audit, TLS and the event loop cost, each beside the pipeline with all defaults, which is on asyncio's loop
([decision 23](decisions/0023-event-loop.md)): accepting in a closed loop, draining a topic on one core, reading a table
of 10,000 rows; ratios are those to the defaults. **CPU** is that of gateway and worker. **With TLS**, connections to
Kafka are encrypted and logged in to, and those between gateway and worker encrypted. The broker encrypts too, on the
same cores, and its Java is compiled fully, so look at the CPU time rather than at the rate.

{COMPARISON.table(figures)}"""
