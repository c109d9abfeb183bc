"""A text made to be searched slowly keeps nobody waiting but its sender."""

from __future__ import annotations

import threading

from tests.integration.privacy.conftest import Masking
from tests.integration.privacy.speech import says

from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import wait_for

MOTIF = "pwd:=<b>X&#49;<１ "
KILOBYTES = 1_200
# Before the search begins one or two may be answered whatever it does; many more a busy machine cannot ask meanwhile.
ENOUGH = 3


def test_others_are_answered_while_a_long_text_is_searched(worker: Masking, engine: FakeEngine) -> None:
    engine.script = says("ok")
    text = MOTIF * (KILOBYTES * 1024 // len(MOTIF.encode()))
    found: list[int] = []

    def ask(content: str) -> int:
        return worker.ask({"model": "m", "messages": [{"role": "user", "content": content}]})[0]

    def is_asked() -> bool:
        return any(len(each.body) > len(text) // 2 for each in engine.seen)

    sender = threading.Thread(target=lambda: found.append(ask(text)))
    sender.start()
    answered = 0
    while not is_asked() and sender.is_alive() and answered < ENOUGH:
        assert ask("hi") == 200
        answered += not is_asked()
    sender.join()
    assert answered == ENOUGH
    assert found == [200]
    wait_for("it was asked in the end", is_asked)
