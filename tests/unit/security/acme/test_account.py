"""The key of the account: made once, for its owner alone, and refused where it is anything else."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from forebay.core.errors import StateError
from forebay.security.acme.account import FILE, account_key, private_pem, thumbprint


def test_it_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = account_key(tmp_path)
    assert thumbprint(account_key(tmp_path)) == thumbprint(key)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(StateError, match="others may read"):
        account_key(tmp_path)


def test_what_it_answers_is_the_thumbprint_of_rfc_7638() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = key.public_key().public_numbers()
    x, y = (base64.urlsafe_b64encode(part.to_bytes(32, "big")).rstrip(b"=").decode() for part in (numbers.x, numbers.y))
    canonical = json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":"), sort_keys=True)
    wanted = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()
    assert thumbprint(key) == wanted


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: bytes | None = None) -> str:
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()


@pytest.mark.parametrize(
    "given",
    ["", "x", _pem(ec.generate_private_key(ec.SECP384R1())), _pem(rsa.generate_private_key(65537, 2048)),
     _pem(ec.generate_private_key(ec.SECP256R1()), b"secret")],
    ids=["empty", "no key", "another curve", "RSA", "encrypted"],
)  # fmt: skip
def test_another_kind_of_key_is_refused_and_not_quoted(tmp_path: Path, given: str) -> None:
    with pytest.raises(StateError, match="no P-256 key") as refused:
        account_key(tmp_path, given)
    assert not given.strip() or given.strip().splitlines()[-1] not in str(refused.value)
    (tmp_path / FILE).write_text(given)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(StateError, match="no P-256 key"):
        account_key(tmp_path)


def test_a_key_of_the_operators_own_is_taken(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert thumbprint(account_key(tmp_path, private_pem(key).decode())) == thumbprint(key)
    assert not (tmp_path / FILE).exists()
