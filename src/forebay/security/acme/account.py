"""The key of an account at an ACME authority: made once, and what it answers when the authority looks for it."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from forebay.core.errors import ForebayError, StateError
from forebay.core.files import write_atomically
from forebay.messages import _
from forebay.security.pem import private_pem

AccountKey = ec.EllipticCurvePrivateKey
FILE = "account-key.pem"


def account_key(folder: Path, given: str | None = None) -> AccountKey:
    """The operator's own key, `given` as PEM, or the one in `folder`, made where there is none.

    Raises StateError where it is damaged, of another kind than P-256, or readable by others.
    """
    if given is not None:
        return _read(given.encode(), "edge.acme.account_key")
    path = folder / FILE
    try:
        content, is_open = path.read_bytes(), bool(path.stat().st_mode & 0o077)
    except FileNotFoundError:
        return _made(path)
    if is_open:
        raise StateError(
            _("others may read the key of the ACME account"), where=str(path), fix=f"chmod 600 {path}", code="acme_key"
        )
    return _read(content, str(path))


def thumbprint(key: AccountKey) -> str:
    """What stands behind a challenge's token in its answer (RFC 8555, 8.1): the same for every token.

    The answer proves that whoever serves the name holds the account. It needs no secret, so that an edge can give it
    without being told of each challenge.
    """
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return str(ECKey.import_key(public).thumbprint())


def _made(path: Path) -> AccountKey:
    key = ec.generate_private_key(ec.SECP256R1())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, private_pem(key), mode=0o600)
    return key


def _read(content: bytes, where: str) -> AccountKey:
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _unusable(where) from None  # the reason may quote the key
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _unusable(where)
    return key


def _unusable(where: str) -> ForebayError:
    fix = _("Make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
    return StateError(_("the key of the ACME account is no P-256 key in PEM"), where=where, fix=fix, code="acme_key")
