"""Images without a release of their own."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_MOVING = ("latest", "nightly", "main", "dev")


@engine_rules.add("image_tag")
def image_tag(served: Served) -> Iterator[Finding]:
    """`latest` is another vLLM tomorrow: what was tested is not what a restart runs."""
    container = served.container
    if container is None or not container.image or container.tag not in _MOVING:
        return
    why = _("{image} names no release: a restart may run another vLLM").format(image=container.image)
    fix = _("Write the release that was tested, such as vllm/vllm-openai:v{release}").format(release=served.release)
    yield served.finding("image_tag", "warning", "at.image", why, fix)
