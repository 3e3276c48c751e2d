"""The proof that a request to a worker comes from a gateway of the same deployment."""

import hmac


class InternalAuth:
    """Derives the gateways' password for workers from the deployment's secret."""

    header = "x-internal-token"

    def __init__(self, secret: str) -> None:
        self.token = hmac.digest(secret.encode(), b"ecg/internal/v1", "sha256").hex()

    def accepts(self, token: str | None) -> bool:
        """Tell whether a request that carries this token may be answered."""
        return token is not None and hmac.compare_digest(token.encode(errors="surrogateescape"), self.token.encode())
