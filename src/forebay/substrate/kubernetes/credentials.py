"""Who we are to a cluster: the service account of the pod that we are in, or a context of a kubeconfig."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from forebay.core.errors import RunError
from forebay.messages import _

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IN_CLUSTER = "https://kubernetes.default.svc"
# What a kubeconfig may ask for and forebay does not do; told, rather than passed over.
_UNKNOWN = ("exec", "auth-provider", "username", "proxy-url", "insecure-skip-tls-verify", "tls-server-name")


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """The API server and how to be let in. A token file is read again for each request: tokens are rotated."""

    server: str
    authority: bytes | None = None
    token: str | None = None
    token_file: Path | None = None
    certificate: bytes | None = None
    key: bytes | None = None

    def authorization(self) -> dict[str, str]:
        """The header that goes with each request; RunError where the token cannot be read."""
        token = self.token
        if self.token_file is not None:
            try:
                token = self.token_file.read_text("ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise RunError(_("the token cannot be read"), where=str(self.token_file), detail=str(error)) from error
        if token is None:
            return {}
        if not token.isascii() or not token.isprintable() or " " in token:
            raise RunError(_("this is no token"), where=str(self.token_file or "kubeconfig"))
        return {"Authorization": f"Bearer {token}"}

    def tls(self) -> ssl.SSLContext | None:
        """What to trust and to show; RunError where that cannot be used."""
        if not self.server.startswith("https://"):
            return None
        try:
            context = ssl.create_default_context(cadata=self.authority.decode("ascii") if self.authority else None)
            if self.certificate and self.key:
                _load(context, self.certificate + b"\n" + self.key)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            what = _("the certificates of the cluster cannot be used")
            raise RunError(what, where=self.server, detail=str(error)) from error
        return context


def find_credentials(kubeconfig: str | None, context: str | None) -> Credentials:
    """Of the kubeconfig, or of the pod that we are in; RunError says what is missing and where."""
    if kubeconfig is None:
        return _in_cluster()
    path = Path(kubeconfig).expanduser()
    try:
        content = YAML(typ="safe").load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        fix = _("Set substrate.kubernetes.kubeconfig to a file that kubectl can use")
        raise RunError(_("the kubeconfig cannot be read"), where=str(path), fix=fix, detail=str(error)) from error
    try:
        return _of(content, context, path)
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        fix = _("Make it anew: kubectl config view --flatten --minify")
        raise RunError(_("this is no whole kubeconfig"), where=str(path), fix=fix, detail=repr(error)) from error


def _in_cluster() -> Credentials:
    token, authority = _ACCOUNT / "token", _ACCOUNT / "ca.crt"
    try:
        return Credentials(server=_IN_CLUSTER, token_file=token, authority=authority.read_bytes())
    except OSError as error:
        fix = _("Set substrate.kubernetes.kubeconfig, or run forebay in a pod with a service account")
        raise RunError(_("this machine is no pod of a cluster"), where=str(_ACCOUNT), fix=fix) from error


def _of(content: Any, wanted: str | None, path: Path) -> Credentials:
    name = wanted or content["current-context"]
    context = _named(content["contexts"], name, "context", path)
    cluster = _named(content["clusters"], context["cluster"], "cluster", path)
    user = _named(content["users"], context["user"], "user", path)
    unknown = [key for key in _UNKNOWN if (cluster | user).get(key)]
    if unknown:
        fix = _("Use a service account's token or a client certificate: kubectl create token ACCOUNT")
        why = _("the kubeconfig asks for {key}, which forebay does not do").format(key=unknown[0])
        raise RunError(why, where=str(path), fix=fix)
    token_file = user.get("tokenFile")
    return Credentials(
        server=cluster["server"].rstrip("/"),
        authority=_bytes(cluster, "certificate-authority", path),
        token=user.get("token"),
        token_file=path.parent / token_file if token_file else None,
        certificate=_bytes(user, "client-certificate", path),
        key=_bytes(user, "client-key", path),
    )


def _named(entries: Any, name: str, kind: str, path: Path) -> dict[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            found: dict[str, Any] = entry[kind]
            return found
    known = ", ".join(str(entry["name"]) for entry in entries)
    what = _("the kubeconfig has no {kind} called {name}").format(kind=kind, name=name)
    raise RunError(what, where=str(path), fix=_("It has: {known}").format(known=known))


def _bytes(entry: dict[str, Any], key: str, path: Path) -> bytes | None:
    """Written into the file, or lying beside it."""
    if written := entry.get(f"{key}-data"):
        return base64.b64decode(str(written), validate=True)
    if not (named := entry.get(key)):
        return None
    try:
        return (path.parent / str(named)).read_bytes()
    except OSError as error:
        raise RunError(_("a file of the kubeconfig cannot be read"), where=str(path.parent / str(named))) from error


def _load(context: ssl.SSLContext, chain_and_key: bytes) -> None:
    """ssl takes files alone: one that nobody else can read, for as long as that takes."""
    descriptor, name = tempfile.mkstemp(prefix="forebay-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(chain_and_key)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
