"""A certificate is renewed in place, by file or by link; one that cannot be served leaves the old one serving."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.certificates import Authority, Issued
from tests.integration.edge import real_edge
from tests.integration.edge.fake_gateway import FakeGateway
from tests.integration.edge.real_edge import Edge, until

from forebay.core.errors import ConfigError
from forebay.render.renewal import days_left


class Renewed:
    """An edge that serves what lies in `folder`, and the authority that its clients trust."""

    def __init__(self, edge: Edge, folder: Path, authority: Authority) -> None:
        self.edge, self.folder, self.authority = edge, folder, authority

    def put(self, issued: Issued, *, chain: bool = True, key: bool = True) -> None:
        if chain:
            shutil.copy(issued.chain, self.folder / "chain.pem")
        if key:
            shutil.copy(issued.key_file, self.folder / "key.pem")

    def serial(self) -> int:
        """What a client that trusts the authority is shown."""
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        with (
            socket.create_connection(("127.0.0.1", self.edge.https_port), real_edge.DEADLINE_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            shown = tls.getpeercert()
        assert shown is not None
        return int(str(shown["serialNumber"]), 16)


@pytest.fixture(scope="module")
def renewed(kind: str, gateway: FakeGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renewed]:
    root: Path = tmp_path_factory.mktemp("renewed")
    authority, folder = Authority(root / "authority"), root / "live"
    folder.mkdir()
    first = authority.issue("first")
    shutil.copy(first.chain, folder / "chain.pem")
    shutil.copy(first.key_file, folder / "key.pem")
    own = {"certificate": {"chain": str(folder / "chain.pem"), "key": f"file:{folder / 'key.pem'}"}}
    with real_edge.edge(root, kind, [gateway.port], edge=own) as edge:
        yield Renewed(edge, folder, authority)


def other_key(authority: Authority) -> Issued:
    return authority.issue("paired")._replace(key_file=authority.issue("unpaired").key_file)


def half(authority: Authority) -> Issued:
    issued = authority.issue("half")
    issued.chain.write_bytes(issued.chain.read_bytes()[:300])
    return issued


BAD: dict[str, Callable[[Authority], Issued]] = {
    "expired": lambda authority: authority.issue("old", days=(-9, -1)),
    "not valid yet": lambda authority: authority.issue("early", days=(1, 9)),
    "another name": lambda authority: authority.issue("other", ["other.example"]),
    "common name alone": lambda authority: authority.issue("bare", []),
    "another key": other_key,
    "half a file": half,
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_served_is_refused_before_anything_is_touched(renewed: Renewed, case: str) -> None:
    edge, before, conf = renewed.edge, renewed.serial(), renewed.edge.conf.read_bytes()
    good = [(renewed.folder / name).read_bytes() for name in ("chain.pem", "key.pem")]
    renewed.put(BAD[case](renewed.authority))
    with pytest.raises(ConfigError, match="cannot be served"):
        edge.write()
    assert edge.conf.read_bytes() == conf
    assert renewed.serial() == before
    for name, content in zip(("chain.pem", "key.pem"), good, strict=True):
        (renewed.folder / name).write_bytes(content)
    assert edge.write() is False, "nothing has changed"


def test_a_new_certificate_is_served_and_its_days_are_told(renewed: Renewed) -> None:
    issued = renewed.authority.issue("second", days=(-1, 60))
    renewed.put(issued)
    assert renewed.edge.write()
    renewed.edge.reload()
    until(lambda: renewed.serial() == issued.certificate.serial_number, "the new certificate is served")
    assert 59 < (days_left(renewed.edge.state) or 0) < 60.1


def test_a_link_that_is_swapped_is_followed(renewed: Renewed) -> None:
    issued = renewed.authority.issue("third")
    for name, file in (("chain.pem", issued.chain), ("key.pem", issued.key_file)):
        draft = renewed.folder / f".{name}"
        draft.symlink_to(file)
        draft.replace(renewed.folder / name)
    assert renewed.edge.write()
    renewed.edge.reload()
    until(lambda: renewed.serial() == issued.certificate.serial_number, "the new certificate is served")
    for name in ("chain.pem", "key.pem"):  # as files again, for whatever comes next
        path = renewed.folder / name
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
