"""No secret is committed: all files are scanned, except for the examples that are listed here."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.settings import get_plugins, transient_settings

from ingest_api.users import tokens
from ingest_api.users.schemas import EXAMPLE_TOKEN
from tests.support.paths import ROOT

# Detectors of secrets with a recognisable form. Those that go by entropy or by a variable's name would report hundreds
# of hashes and tests.
DETECTORS = (
    *(
        "ArtifactoryDetector",
        "AWSKeyDetector",
        "AzureStorageKeyDetector",
        "BasicAuthDetector",
        "DiscordBotTokenDetector",
    ),
    *("GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector"),
    *("OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector"),
    *("SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector"),
)
_TOKEN = re.compile(rb"ecg_[0-9A-Za-z]{49}(?![0-9A-Za-z])")
_ASSIGNED = re.compile(rb"^[ \t]*(?:export )?(ECG_SECRET|ECG_ADMIN_TOKEN)=([0-9A-Za-z+/_-]{32,})", re.MULTILINE)
# Examples in documents and tests.
NOBODYS = {EXAMPLE_TOKEN, "secret"}


def committed() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git repository: nothing is committed")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def known_forms() -> Iterator[re.Pattern[str]]:
    """Yield the expressions of all detectors in use."""
    for detector in get_plugins():
        assert isinstance(detector, RegexBasedDetector)
        yield from detector.denylist


def secrets(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the file and the kind of every secret that is recognised by its form."""
    found = SecretsCollection()
    with transient_settings({"plugins_used": [{"name": name} for name in DETECTORS]}):
        forms = [re.compile(form.pattern, form.flags | re.MULTILINE) for form in known_forms()]
        for file in files:
            content = file.read_bytes()
            for token in _TOKEN.findall(content):
                if tokens.is_well_formed(token.decode()) and token.decode() not in NOBODYS:
                    yield file, "a user's token"
            for name, _ in _ASSIGNED.findall(content):
                yield file, name.decode()
            # The scan goes line by line, which takes ten times as long.
            text = content.decode(errors="replace")
            if any(form.search(text) for form in forms):
                found.scan_file(str(file))
        for name, secret in found:
            if secret.secret_value not in NOBODYS:
                yield Path(name), secret.type


def test_no_secret_is_committed() -> None:
    assert [(str(file.relative_to(ROOT)), kind) for file, kind in secrets(committed())] == []


# Composed of pieces, so that this file does not contain them.
PLANTED = {
    "a user's token": lambda: f'token = "{tokens.new()}"',
    "ECG_ADMIN_TOKEN": lambda: "export ECG_ADMIN_TOKEN=" + "4f" * 32,
    "Private Key": lambda: "-----BEGIN " + "PRIVATE KEY-----\nMC4CAQAw",
    "AWS Access Key": lambda: "AKIA" + "ABCDEFGHIJKLMNOP",
    "Basic Auth Credentials": lambda: "https://me:hunter2" + "@example.com",
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize("name", ["notes.md", "config.py", "deployment.yml"])
def test_a_secret_that_was_committed_would_be_found(tmp_path: Path, kind: str, name: str) -> None:
    file = tmp_path / name
    file.write_text(f"harmless\n{PLANTED[kind]()}\n")
    assert list(secrets([file])) == [(file, kind)]


def test_examples_and_malformed_tokens_are_not_reported(tmp_path: Path) -> None:
    file = tmp_path / "notes.md"
    file.write_text(f"{EXAMPLE_TOKEN}\necg_{'x' * 49}\nECG_SECRET=\n")
    assert list(secrets([file])) == []
