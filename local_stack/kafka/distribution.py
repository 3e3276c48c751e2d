"""Apache Kafka's jars: resolved by Maven once, then started with Java alone."""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_stack.lifetime import run

JAVA_VERSION = 17
"""The oldest Java that Kafka's brokers run on."""

JAVA_ENV = {"LC_ALL": "C.UTF-8"}
"""Environment of every Java process: in the C locale, usual in services and containers, it opens only ASCII paths."""

_POM = Path(__file__).with_name("pom.xml")
# For 45 MB on a slow line. Maven retries a lost connection itself; this bounds one that stalls.
_RESOLVE_TIMEOUT = 900.0
_JAVA_TIMEOUT = 30.0
# Strict checksums: a damaged jar is an error here instead of an obscure failure when Kafka starts.
_MAVEN_OPTIONS = ("--quiet", "--batch-mode", "-Dstyle.color=never", "--strict-checksums")
_SHOWN_LINES = 15


class KafkaUnavailableError(RuntimeError):
    """Apache Kafka is not available on this machine; the message says why."""


class ToolMissingError(KafkaUnavailableError):
    """Java or Maven is missing, or too old."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """The path of Java, and the folder of Kafka's jars."""

    java: str
    jars: Path

    def command(self, main: str, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
        """Return the command that runs one of Kafka's main classes."""
        return [
            self.java,
            # Most processes are short-lived, and the full compiler would compete with their startup for the cores. The
            # serial collector needs no threads of its own and no memory beside the heap.
            "-XX:TieredStopAtLevel=1",
            "-XX:+UseSerialGC",
            *options,
            "-cp",
            str(self.jars / "*"),
            main,
            *arguments,
        ]


def install(announce: Callable[[str], None] | None = None) -> Distribution:
    """Find Java, and download the jars unless an earlier call did; several processes may call it at once.

    The jars stay in `$ECG_KAFKA_HOME`, by default a folder in the user's cache, with a folder for each version of
    `pom.xml`. `announce` is called with a line for the user before the download, which takes minutes on a slow line.

    Raises:
        ToolMissingError: if Java is missing or too old, or Maven is needed and missing.
        KafkaUnavailableError: if Maven could not resolve the jars.
    """
    java = _java()
    home = _home()
    jars = home / hashlib.sha256(_POM.read_bytes()).hexdigest()[:16]
    if not jars.is_dir():
        with _lock(home):
            if not jars.is_dir():
                _resolve(home, jars, announce)
    return Distribution(java, jars)


def _home() -> Path:
    if home := os.environ.get("ECG_KAFKA_HOME"):
        return Path(home).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "ecg-stream-pipeline" / "kafka"


def _java() -> str:
    needed = f"Apache Kafka needs Java {JAVA_VERSION} or newer"
    # Looked up in Maven's order, so that the same Java runs Maven and Kafka.
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        raise ToolMissingError(f"{needed}; no `java` was found in {'JAVA_HOME' if home else 'PATH'}.")
    _, answer = run([java, "-version"], JAVA_ENV, _JAVA_TIMEOUT)
    version = re.search(r'version "(?:1\.)?(\d+)', answer)
    if version is None:
        raise ToolMissingError(f"{needed}; `{java} -version` does not say which it is:\n{_last_lines(answer)}")
    if int(version[1]) < JAVA_VERSION:
        raise ToolMissingError(f"{needed}; {java} is Java {version[1]}.")
    return java


def _resolve(home: Path, jars: Path, announce: Callable[[str], None] | None) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ToolMissingError("Apache Kafka's jars are fetched with Maven, once; no `mvn` was found in PATH.")
    if announce is not None:
        announce(f"Downloading Apache Kafka with Maven into {home} (once, 45 MB)")
    with tempfile.TemporaryDirectory(prefix="partial-", dir=home) as partial:
        resolved = Path(partial) / "jars"
        command = [maven, *_MAVEN_OPTIONS, f"--file={_POM}", f"-Djars={resolved}", "package"]
        code, answer = run(command, JAVA_ENV, _RESOLVE_TIMEOUT)
        if code:
            raise KafkaUnavailableError(f"Maven could not resolve Kafka's jars:\n{_last_lines(answer)}")
        # Renamed only when complete, so that any process that sees the folder may use it.
        resolved.rename(jars)


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_SHOWN_LINES:])
