"""A small real DNS server on loopback: answers from a table over UDP, counts the questions."""

from __future__ import annotations

import asyncio
from types import TracebackType

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class DnsServer(asyncio.DatagramProtocol):
    """`records` holds (name, type) -> texts; a name that is not there does not exist. `silent` answers nothing."""

    def __init__(self, ttl_s: int = 1) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.ttl_s = ttl_s
        self.silent = False
        self.questions = 0
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> DnsServer:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", self.port))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._transport is not None
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.questions += 1
        if self.silent:
            return
        query = dns.message.from_wire(data)
        question = query.question[0]
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        name = question.name.to_text().rstrip(".")
        kind = str(question.rdtype.name)
        if not any(known == name for known, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif texts := self.records.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, self.ttl_s, "IN", kind, *texts))
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)
