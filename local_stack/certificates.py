"""A short-lived certificate authority, run with OpenSSL, for certificates of 127.0.0.1."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from local_stack.lifetime import run

_DAYS = "30"
_TIMEOUT = 30.0
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
# A complete configuration, because the extensions that the system's own adds differ from system to system.
_CONFIGURATION = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[own]
basicConstraints = critical,CA:FALSE
subjectAltName = IP:127.0.0.1,DNS:localhost
authorityKeyIdentifier = keyid
"""


class OpenSslError(RuntimeError):
    """OpenSSL is missing or failed; the message says which."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority whose key and certificates are files in a directory."""

    directory: Path

    @classmethod
    def make(cls, directory: Path, name: str = "ecg-authority") -> "Authority":
        """Make a new authority.

        Raises:
            OpenSslError: if OpenSSL is missing or fails.
        """
        directory.mkdir(parents=True, exist_ok=True)
        made = cls(directory)
        made._configuration.write_text(_CONFIGURATION)
        out = ("-keyout", str(made._key), "-out", str(made.certificate))
        made._openssl("req", "-x509", *_KEY, *out, "-days", _DAYS, "-subj", f"/CN={name}", "-extensions", "authority")
        return made

    @property
    def certificate(self) -> Path:
        """The authority's own certificate, for clients and servers to trust."""
        return self.directory / "authority.pem"

    def issue(self, name: str) -> tuple[Path, Path]:
        """Issue a certificate for 127.0.0.1 and return the files of the certificate and of its key.

        Raises:
            OpenSslError: if OpenSSL fails.
        """
        certificate, key, request = (self.directory / f"{name}.{end}" for end in ("pem", "key", "csr"))
        self._openssl("req", *_KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}")
        signer = ("-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial")
        extensions = ("-extfile", str(self._configuration), "-extensions", "own")
        self._openssl(
            "x509", "-req", "-in", str(request), "-out", str(certificate), "-days", _DAYS, *signer, *extensions
        )
        return certificate, key

    @property
    def _key(self) -> Path:
        return self.directory / "authority.key"

    @property
    def _configuration(self) -> Path:
        return self.directory / "openssl.cnf"

    def _openssl(self, *arguments: str) -> None:
        openssl = shutil.which("openssl")
        if openssl is None:
            raise OpenSslError("Certificates are made with OpenSSL; no `openssl` was found in PATH.")
        code, answer = run([openssl, *arguments], {"OPENSSL_CONF": str(self._configuration)}, _TIMEOUT)
        if code:
            raise OpenSslError(f"`openssl {arguments[0]}` failed:\n{answer.strip()}")
