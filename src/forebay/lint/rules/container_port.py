"""Published ports that nothing listens on."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("container_port")
def container_port(served: Served) -> Iterator[Finding]:
    """vLLM serves port 8000 unless --port says otherwise."""
    container, port = served.container, served.count("port", 8000)
    if container is None or container.host_network or not container.ports or port in container.ports:
        return
    why = _("port {published} of the container is published, vLLM listens on {port}")
    why = why.format(published=", ".join(map(str, container.ports)), port=port)
    fix = _("Add --port {published}, or publish {port}").format(published=container.ports[0], port=port)
    yield served.finding("container_port", "error", "at.ports", why, fix)
