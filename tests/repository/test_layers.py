"""The layout: which part of the project may import which, and how its files are named."""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "ecg_client", "ingest_api", "local_stack", "shared", "stream_agents")

# What each package imports of the others.
MAY_IMPORT: dict[str, set[str]] = {
    "shared": set(),
    "ingest_api": {"shared"},
    "stream_agents": {"shared"},
    # The command `ecg up` starts the stack.
    "ecg_client": {"shared", "local_stack"},
    "local_stack": {"shared", "ecg_client"},
    "contracts": {"shared", "ingest_api", "stream_agents"},
}

# The gateway's rooms, and the others that each may import: imports go down only. The audit imports no feature, features
# with calls for users import `users`, and `erasures` imports `queries` to see that an erasure is carried out.
FOUNDATION = {"http", "kafka", "metrics"}
FEATURES = {
    "audit": FOUNDATION,
    "users": FOUNDATION | {"audit"},
    "submissions": FOUNDATION | {"audit", "users"},
    "queries": FOUNDATION | {"audit", "users"},
    "recordings": FOUNDATION | {"audit", "users", "submissions", "queries"},
    "events": FOUNDATION | {"audit", "users", "queries", "recordings"},
    "erasures": FOUNDATION | {"audit", "users", "queries"},
}
ROOMS: dict[str, set[str]] = FEATURES | {
    "metrics": set(),
    "http": {"metrics"},
    "kafka": {"metrics"},
    "health": {"http", "queries", "users"},
    "services": {*FEATURES, "health", "kafka", "metrics"},
    "app": {*FEATURES, "http", "health", "services"},
    "__main__": {"app", "http"},
}

# The worker's rooms likewise. What corrects Faust knows nothing of the worker, and insights and processing know neither
# Faust's corrections nor storage.
WORKER_ROOMS: dict[str, set[str]] = {
    "faust_fixes": set(),
    "metrics": set(),
    "insights": set(),
    "recordings": {"insights"},
    "processing": {"insights", "recordings"},
    "table": {"faust_fixes", "metrics", "processing"},
    "serving": {"faust_fixes", "table"},
    "metrics_exporter": {"faust_fixes", "metrics", "serving", "table"},
    "inbox": {"faust_fixes"},
    "rerouting": {"processing"},
    "outcome_writer": {"processing", "rerouting", "table"},
    "batch_report": {"metrics", "processing"},
    "data_keys_service": set(),
    "originals": {"processing", "table"},
    "agent": {"batch_report", "faust_fixes", "inbox", "metrics", "originals", "outcome_writer", "processing"},
    "app": {
        *("agent", "batch_report", "data_keys_service", "faust_fixes", "inbox", "insights", "metrics_exporter"),
        *("originals", "outcome_writer", "processing", "serving", "table"),
    },
    "__main__": {"app", "faust_fixes"},
}

# Names of files in several packages, and what they mean in all of them.
SAME_NOUN = {
    "__main__": "what `python -m` runs",
    "answers": "the documents that a feature returns",
    "app": "the application of a service: FastAPI's, Faust's",
    "audit": "who submitted, read or erased what, and when",
    "beats": "heartbeats: how they are found, and the messages about those of recordings",
    "dead_letters": "messages that could not be processed: the marks of those that are dealt with, the command",
    "endpoints": "the calls of a feature",
    "erase": "erasing an ECG: the command, and the work",
    "erasures": "what is to be erased: the feature, and its messages",
    "errors": "what a package raises",
    "events": "a user's ECGs as they finish: served, and followed",
    "http": "what a service answers over HTTP",
    "insights": "what was computed of an ECG: the functions, the rows, the command",
    "kafka": "what a package does with Kafka",
    "messages": "the messages of topics: their types, and their documentation",
    "metrics": "what a service measures",
    "recording": "the leads of one ECG: as files hold them, and as insights need them",
    "recordings": "recordings of a patient: their files, and those that arrive in chunks",
    "schemas": "what goes over the wire for a feature",
    "security": "who may do what, and with which secret",
    "services": "the collaborators of a feature",
    "submit": "submitting an ECG: the command, and the work",
    "up": "starting the stack",
    "users": "who holds which token: the feature, its messages, the command",
}


@cache
def modules() -> dict[str, Path]:
    """Return the files of all packages by the names of their modules."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> dict[str, set[str]]:
    """Return the modules of the project that each of its modules imports, also for types or inside a function."""
    return {name: set(imported(path)) - {name} for name, path in modules().items()}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}: relative imports are not looked at"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            names = {name if name in modules() else node.module for name in full}
            yield from names & modules().keys()


def between(level: int, package: str = "") -> dict[str, set[str]]:
    """Return what the parts of the project, or of a package, import of each other: 0 for packages, 1 for rooms."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, others in imports().items():
        if name.startswith(package) and (part := part_of(name, level)):
            found[part] |= {part_of(other, level) for other in others if other.startswith(package)} - {part, ""}
    return dict(found)


def part_of(name: str, level: int) -> str:
    parts = name.split(".")
    return parts[level] if len(parts) > level else ""


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return the parts that import each other in a circle, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package: str) -> None:
    assert between(0)[package] <= MAY_IMPORT[package]


def test_every_room_of_the_gateway_imports_only_lower_ones() -> None:
    rooms = between(1, "ingest_api.")
    assert rooms.keys() == ROOMS.keys()
    assert {name: others - ROOMS[name] for name, others in rooms.items() if not others <= ROOMS[name]} == {}


def test_the_gateways_rooms_are_few() -> None:
    assert len(ROOMS) <= 14


@pytest.mark.parametrize("package", PACKAGES)
def test_no_rooms_of_a_package_import_each_other_in_a_circle(package: str) -> None:
    assert circle(between(1, f"{package}.")) == []


def test_every_room_of_the_worker_imports_only_lower_ones() -> None:
    rooms = between(1, "stream_agents.")
    assert rooms.keys() == WORKER_ROOMS.keys()
    assert {name: others - WORKER_ROOMS[name] for name, others in rooms.items() if others - WORKER_ROOMS[name]} == {}


def test_the_table_knows_only_the_outcomes_of_processing() -> None:
    known = {other for name, others in imports().items() if name.startswith("stream_agents.table") for other in others}
    assert {name for name in known if name.startswith("stream_agents.processing.")} == {
        "stream_agents.processing.outcomes"
    }


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(imports()) == []


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_has_its_calls_and_what_goes_over_the_wire(feature: str) -> None:
    assert {f"ingest_api.{feature}.{file}" for file in ("endpoints", "schemas", "services")} <= modules().keys()


def test_a_name_of_a_file_means_the_same_everywhere() -> None:
    counted = Counter(name.rpartition(".")[2] for name in modules())
    assert {name for name, times in counted.items() if times > 1} == SAME_NOUN.keys()
