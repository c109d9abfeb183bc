"""Private keys as files hold them."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS 8, without a passphrase: whoever may read the file may use the key."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
