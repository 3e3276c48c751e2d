"""TLS contexts from certificates in files."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Files:
    """PEM files: whose certificates are trusted, and one's own certificate with its key.

    `prefix` is what the names of the settings have in common that hold them, for errors.
    """

    prefix: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


@cache
def client_context(files: Files) -> ssl.SSLContext:
    """Return what checks the server's certificate and name, against the system's authorities if no others are given.

    Raises:
        ValueError: if a file cannot be used; the text names the setting.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whoever names an authority trusts no other.
    if files.ca is None:
        context.load_default_certs()
    return _loaded(context, files)


@cache
def server_context(files: Files) -> ssl.SSLContext:
    """Return what lets in those clients alone whose certificate one of the given authorities has signed.

    Raises:
        ValueError: if a file cannot be used; the text names the setting.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _loaded(context, files)


def _loaded(context: ssl.SSLContext, files: Files) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    ca, cert, key = files.ca, files.cert, files.key
    if ca is not None:
        _load(f"{files.prefix}_CA_FILE", lambda: context.load_verify_locations(ca))
    if cert is not None:
        # The password, which no key may need: OpenSSL would ask the terminal for it.
        names = f"{files.prefix}_CERT_FILE with {files.prefix}_KEY_FILE"
        _load(names, lambda: context.load_cert_chain(cert, key, password=""))
    return context


def _load(setting: str, load: Callable[[], None]) -> None:
    try:
        load()
    except OSError as error:  # an SSLError is one
        reason = error.reason if isinstance(error, ssl.SSLError) and error.reason else error.strerror
        raise ValueError(f"{setting} cannot be read as PEM ({reason})") from None
