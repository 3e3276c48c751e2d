"""Private names of Faust, mode and aiokafka: few, in few files, and all of them still there.

Mypy checks the methods that override one of Faust's (`@override`, and `explicit-override` in pyproject.toml). It has no
types of aiokafka, looks up no name in a string, and knows nothing of objects that merely stand in for one of Faust's.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator, NoGroupCoordinator
from aiokafka.producer.sender import Sender
from faust import App, Worker
from faust.assignor.copartitioned_assignor import CopartitionedAssignor
from faust.stores.base import Store as FaustStore
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery as FaustRecovery
from faust.transport.drivers import aiokafka as driver

from stream_agents.faust_fixes.recovery import Recovery
from stream_agents.table.rocksdb import Store
from tests.safeguards import ROOT

UPSTREAM = ("faust", "mode", "aiokafka")
Names = Mapping[type, set[str]]

# The private names that each file may use, with the classes that have them. Another one needs a good reason.
ALLOWED: Mapping[str, Names] = {
    "shared/kafka/background_tasks.py": {
        AIOKafkaClient: {"_sync_task", "_topics"},
        AIOKafkaConsumer: {"_client", "_closed", "_coordinator", "_fetcher"},
        AIOKafkaProducer: {"_closed", "_sender"},
        AIOKafkaAdminClient: {"_client", "_closed"},
        Fetcher: {"_fetch_task"},
        Sender: {"_sender_task"},
        GroupCoordinator: {"_commit_refresh_task", "_coordination_task", "_heartbeat_task", "_pending_exception"},
        NoGroupCoordinator: {"_reset_committed_task"},
    },
    "shared/kafka/topic_reader.py": {AIOKafkaConsumer: {"_client"}},
    "stream_agents/faust_fixes/commit.py": {
        driver.Consumer: {"_filter_tps_with_pending_acks", "_new_offset", "_unacked_messages", "_waiting_for_ack"},
    },
    "stream_agents/faust_fixes/consumer.py": {driver.Consumer: {"_new_consumer_thread"}},
    "stream_agents/faust_fixes/consumer_options.py": {
        driver.AIOKafkaConsumerThread: {"_create_worker_consumer"},
        AIOKafkaConsumer: {"_client", "_fetch_max_wait_ms", "_isolation_level"},
        AIOKafkaClient: {"_request_timeout_ms"},
    },
    "stream_agents/faust_fixes/fetch.py": {driver.AIOKafkaConsumerThread: {"_fetch_records"}},
    "stream_agents/faust_fixes/membership.py": {
        AIOKafkaConsumer: {"_coordinator"},
        GroupCoordinator: {"_do_heartbeat", "_do_rejoin_group"},
    },
    "stream_agents/faust_fixes/poll.py": {driver.Consumer: {"_add_gap", "_to_message"}},
    "stream_agents/faust_fixes/producer.py": {
        driver.Producer: {"_ensure_producer", "_new_producer", "_producer", "_settings_extra"},
    },
    "stream_agents/faust_fixes/recovery.py": {App: {"_fetcher"}, FaustTableManager: {"_update_channels"}},
    "stream_agents/faust_fixes/response_buffer.py": {
        AIOKafkaClient: {"_get_conn"},
        AIOKafkaConnection: {"_reader", "_writer"},
    },
    "stream_agents/faust_fixes/shares.py": {
        CopartitionedAssignor: {"_client_assignments", "_client_exhausted", "_num_clients"}
    },
    "stream_agents/faust_fixes/worker.py": {Worker: {"_schedule_shutdown", "_sentinel_task"}},
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def own_names(cls: ast.ClassDef) -> Iterator[str]:
    """Yield the private names that a class defines, or uses on itself, its instances and its bases."""
    for node in ast.walk(cls):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Attribute(value=ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super")), attr=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]) if node in cls.body:
                yield name


@cache
def upstream_names(cls: type) -> frozenset[str]:
    """Return the private names of a class that come from Faust, mode or aiokafka."""
    names: set[str] = set()
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] in UPSTREAM:
            tree = tree_of(Path(inspect.getfile(base)))
            bodies = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == base.__name__]
            names.update(*map(own_names, bodies))
    return frozenset(filter(is_private, names))


def private_names(path: Path) -> set[str]:
    """Return the private names that a file uses and does not define itself."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super"))):
                pass  # looked at with their class
            case ast.Attribute(value=ast.Name(id="os"), attr="_exit"):
                pass  # documented
            case ast.Attribute(attr=name):
                found.add(name)
            case ast.Call(func=ast.Name(id="getattr" | "setattr" | "hasattr" | "attrgetter"), args=args):
                found.update(arg.value for arg in args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
            case ast.ImportFrom(names=names):
                found.update(alias.name for alias in names)
            case ast.ClassDef(name=name):
                # Where a function makes the class, none of its names is known to be ours.
                cls = getattr(importlib.import_module(module), name, None)
                used = set(own_names(node))
                found |= used & upstream_names(cls) if cls is not None else used
    return set(filter(is_private, found))


def sources() -> Iterator[Path]:
    for package in ("shared", "stream_agents"):
        yield from sorted((ROOT / package).rglob("*.py"))


def test_private_names_are_used_where_they_are_allowed_and_nowhere_else() -> None:
    used = {str(path.relative_to(ROOT)): names for path in sources() if (names := private_names(path))}
    allowed = {file: set().union(*names.values()) for file, names in ALLOWED.items()}
    assert used == allowed
    assert all(file.startswith(("stream_agents/faust_fixes/", "shared/kafka/")) for file in used)
    assert sum(map(len, used.values())) == 45


@pytest.mark.parametrize(
    ("cls", "name"),
    [(cls, name) for names in ALLOWED.values() for cls, found in names.items() for name in sorted(found)],
)
def test_a_private_name_is_still_there(cls: type, name: str) -> None:
    assert name in upstream_names(cls)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Recovery.on_partitions_revoked, FaustRecovery.on_partitions_revoked),
        (Recovery.on_rebalance, FaustRecovery.on_rebalance),
        (Store.on_rebalance, FaustStore.on_rebalance),
    ],
)
def test_a_method_that_faust_calls_on_an_object_of_ours_takes_what_fausts_own_takes(ours: Any, theirs: Any) -> None:
    """As these objects stand in for Faust's and do not derive from them."""
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
