"""The plain in-process service: pydantic models, results in a dict, insights computed by a background task."""

import itertools
import os
import uuid
from datetime import datetime
from typing import Any

import uvicorn
from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel


class Lead(BaseModel):
    """A lead."""

    name: str
    number_of_samples: int | None = None
    signal: list[int]


class EcgIn(BaseModel):
    """A submission."""

    date: datetime | None = None
    leads: list[Lead]


app = FastAPI()
results: dict[str, list[dict[str, Any]] | None] = {}


@app.post("/ecgs", status_code=201)
async def submit(ecg: EcgIn, background: BackgroundTasks) -> dict[str, str]:
    """Accept an ECG; its insights are computed after the answer."""
    ecg_id = str(uuid.uuid4())
    results[ecg_id] = None
    background.add_task(compute, ecg_id, ecg)
    return {"id": ecg_id}


@app.get("/ecgs/{ecg_id}/insights")
async def read(ecg_id: str) -> JSONResponse:
    """Return the insights, or 202 while they are not computed."""
    if ecg_id not in results:
        raise HTTPException(404)
    leads = results[ecg_id]
    return JSONResponse({"ecg_id": ecg_id, "leads": leads}, 202 if leads is None else 200)


def compute(ecg_id: str, ecg: EcgIn) -> None:
    """Compute the insights."""
    results[ecg_id] = [
        {"name": lead.name, "number_of_zero_crossings": zero_crossings(lead.signal)} for lead in ecg.leads
    ]


def zero_crossings(signal: list[int]) -> int:
    """Count the changes of sign; a step away from zero does not count."""
    count = 0
    for before, after in itertools.pairwise(signal):
        if (after == 0 and before != 0) or (after > 0 > before) or (after < 0 < before):
            count += 1
    return count


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["BENCH_PORT"]), access_log=False, log_level="warning")
