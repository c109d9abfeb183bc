"""Every file that the edge reads is where its container looks for it."""

from __future__ import annotations

from typing import Any

from forebay.render.targets.compose_files import moved, secrets


def test_each_file_is_a_secret_and_is_read_from_there() -> None:
    edge: dict[str, Any] = {
        "certificate": {"chain": "a.pem", "key": "file:b.pem"},
        "clients": {"ca": "c.pem", "crl": None},
        "acme": {"directory": "https://ca", "account_key": "file:k", "external_account": {"id": "x", "key": "env:KEY"}},
    }
    named = secrets(edge)
    assert {name: place["file"] for name, place in named.items()} == {
        "tls_chain": "./tls/chain.pem",
        "tls_key": "./tls/key.pem",
        "clients_ca": "./tls/clients-ca.pem",
        "acme_account_key": "./tls/acme-account-key.pem",
    }
    assert moved(edge) == {
        "certificate": {"chain": "/run/secrets/tls_chain", "key": "file:/run/secrets/tls_key"},
        "clients": {"ca": "/run/secrets/clients_ca", "crl": None},
        "acme": {
            "directory": "https://ca",
            "account_key": "file:/run/secrets/acme_account_key",
            "external_account": {"id": "x", "key": "env:KEY"},
        },
    }


def test_an_edge_without_files_has_none() -> None:
    assert secrets({"server_names": ["localhost"], "clients": None}) == {}
    assert moved({"hsts": "1d"}) == {"hsts": "1d"}
