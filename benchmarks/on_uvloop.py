"""Run one of the pipeline's processes on uvloop: `python -m benchmarks.on_uvloop MODULE`."""

import asyncio
import runpy
import sys

import uvloop

if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
