"""Plug-ins of the operator's, as processes of their own: what they find goes nowhere, nor what they do not answer."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import orjson
import pytest
from tests.integration.privacy.conftest import Masking
from tests.integration.privacy.speech import says, whole

from forebay.privacy.policy import Actions, Plugin, PrivacyPolicy, Scope
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import wait_for

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "privacy_plugin.py"
ODD = Path(__file__).with_name("odd_plugin.py")
LIES = ["no json", "too few", "no list", "another type", "beyond", "backwards", "negative", "a flood"]


def _policy(plugin: Plugin) -> PrivacyPolicy:
    return PrivacyPolicy(
        scopes=(
            Scope(tenant="named", input=Actions("pseudonymise"), unreadable="read"),
            Scope(tenant="strict", input=Actions("block"), output=Actions("block"), unreadable="read"),
            Scope(tenant="loose", input=Actions("allow"), output=Actions("allow")),
            Scope(tenant="hashed", output=Actions("mask", {"person": "allow"}), unreadable="block"),
            Scope(unreadable="read"),
        ),
        plugins=(plugin,),
    )


@contextmanager
def _process(*arguments: str) -> Iterator[str]:
    """What it prints first."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            yield running.stdout.readline().strip()
        finally:
            running.kill()


@pytest.fixture(scope="module")
def plugin() -> Iterator[Plugin]:
    with _process(str(ODD)) as port:
        yield Plugin(
            name="odd", url=f"http://127.0.0.1:{port}", finds=frozenset({"person"}), images=True, answers=True,
            timeout_s=30.0,
        )  # fmt: skip


@pytest.fixture(scope="module")
def masking(engine: FakeEngine, plugin: Plugin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Masking]:
    worker = Masking(tmp_path_factory.mktemp("state"), engine.port)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, privacy=_policy(plugin))
    with worker:
        yield worker


def _chat(content: object) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


def _image(text: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{base64.b64encode(text.encode()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _said(engine: FakeEngine) -> str:
    return str(engine.seen[-1].fields["messages"][-1]["content"])


def test_what_a_plugin_finds_no_engine_hears_of_and_no_client_reads(masking: Masking, engine: FakeEngine) -> None:
    engine.script = says("Alice may be reached by 13812345678")
    status, body = masking.ask(_chat("tell Alice and alice@corp.example, Alice"))
    assert status == 200
    assert _said(engine) == "tell [PERSON] and [EMAIL], [PERSON]"
    assert orjson.loads(body)["choices"][0]["message"]["content"] == "[PERSON] may be reached by [CN_MOBILE]"
    assert masking.counted("forebay_privacy_values_total", type="person", direction="input", action="mask") == 2
    assert masking.counted("forebay_privacy_values_total", type="person", direction="output", action="mask") == 1


def test_its_names_are_turned_back_for_the_caller(masking: Masking, engine: FakeEngine) -> None:
    engine.script = says("I told <PERSON_1>.")
    _, body = masking.ask(_chat("tell Alice"), tenant="named")
    assert _said(engine) == "tell <PERSON_1>"
    assert orjson.loads(body)["choices"][0]["message"]["content"] == "I told Alice."


def test_a_policy_may_refuse_what_it_finds_in_both_directions(masking: Masking, engine: FakeEngine) -> None:
    engine.script = says("says Alice")
    before = engine.requests
    status, body = masking.ask(_chat("tell Alice"), tenant="strict")
    assert (status, orjson.loads(body)["error"]["code"]) == (400, "personal_data_refused")
    assert engine.requests == before
    status, body = masking.ask(_chat("who?"), tenant="strict")
    assert (status, orjson.loads(body)["error"]["code"]) == (403, "answer_withheld")
    assert b"Alice" not in body


def test_who_allows_all_of_it_is_not_looked_at(masking: Masking, engine: FakeEngine) -> None:
    engine.script = says("says Alice")
    status, body = masking.ask(_chat("die, Alice"), tenant="loose")
    assert status == 200
    assert b"says Alice" in body
    assert _said(engine) == "die, Alice"


def test_a_stream_is_refused_where_an_answer_must_be_looked_at(masking: Masking, engine: FakeEngine) -> None:
    before = engine.requests
    status, body = masking.ask(_chat("x") | {"stream": True})
    assert (status, orjson.loads(body)["error"]["code"]) == (400, "stream_unsearchable")
    assert engine.requests == before
    assert masking.ask(_chat("hi") | {"stream": True}, tenant="hashed")[0] == 200


@pytest.mark.parametrize("lie", [*LIES, "half", "sorry"])
def test_an_answer_that_is_none_lets_nothing_pass(masking: Masking, engine: FakeEngine, lie: str) -> None:
    before = engine.requests
    status, body = masking.ask(_chat(f"{lie}: and so on"))
    assert (status, orjson.loads(body)["error"]["code"]) == (503, "privacy_failed")
    assert engine.requests == before
    assert masking.ask(_chat("well"))[0] == 200


@pytest.mark.parametrize("lie", ["beyond", "half"])
def test_an_answer_that_cannot_be_looked_at_is_withheld(masking: Masking, engine: FakeEngine, lie: str) -> None:
    engine.script = whole({"choices": [{"message": {"role": "assistant", "content": f"{lie}: canary"}}]})
    status, body = masking.ask(_chat("well"))
    assert (status, orjson.loads(body)["error"]["code"]) == (503, "privacy_failed")
    assert b"canary" not in body


@pytest.mark.parametrize(
    ("text", "tenant", "status"),
    [
        ("a menu", "", 200),
        ("Alice", "", 400),
        ("call 13812345678", "", 400),
        ("Alice", "named", 400),
        ("a menu", "hashed", 400),
    ],
)
def test_images_are_read_and_refused_by_what_stands_in_them(
    masking: Masking, engine: FakeEngine, text: str, tenant: str, status: int
) -> None:
    before = engine.requests
    told, _ = masking.ask(_chat([{"type": "text", "text": "see"}, _image(text)]), tenant=tenant)
    assert told == status
    assert engine.requests == before + (status == 200)


def test_what_is_spared_may_stand_in_an_image_too(engine: FakeEngine, plugin: Plugin, tmp_path: Path) -> None:
    worker = Masking(tmp_path, engine.port)
    policy = msgspec.structs.replace(_policy(plugin), spared=("help@corp.example", "Alice"))
    worker.snapshot = msgspec.structs.replace(worker.snapshot, privacy=policy)
    with worker:
        assert worker.ask(_chat([_image("Alice: help@corp.example")]))[0] == 200
        assert worker.ask(_chat([_image("Alice: her@corp.example")]))[0] == 400


@pytest.mark.parametrize("name", ["detail", "id", "type", "status", "usage"])
def test_names_in_a_tools_input_are_not_the_protocols(masking: Masking, engine: FakeEngine, name: str) -> None:
    block = {"type": "tool_use", "id": "a1", "name": "note", "input": {name: "Alice has it", "deep": [{name: "Alice"}]}}
    engine.script = whole({"type": "message", "role": "assistant", "content": [block]})
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "assistant", "content": [block]}]}
    status, body = masking.ask(asked, path="/v1/messages")
    assert status == 200, body
    told = block | {"input": {name: "[PERSON] has it", "deep": [{name: "[PERSON]"}]}}
    assert engine.seen[-1].fields["messages"][0]["content"] == [told]
    assert orjson.loads(body)["content"] == [told]


def test_a_request_keeps_its_switches_and_an_answer_loses_its_tokens(masking: Masking, engine: FakeEngine) -> None:
    said = {"message": {"role": "assistant", "content": "says Alice"}, "logprobs": {"content": [{"token": "Alice"}]}}
    engine.script = whole({"choices": [said]})
    _, body = masking.ask(_chat("tell Alice") | {"logprobs": True, "top_logprobs": 2})
    assert _said(engine) == "tell [PERSON]"
    assert engine.seen[-1].fields["logprobs"] is True
    choice = orjson.loads(body)["choices"][0]
    assert (choice["message"]["content"], choice["logprobs"]) == ("says [PERSON]", None)


def test_token_ids_are_refused_though_images_are_read(masking: Masking) -> None:
    status, body = masking.ask({"model": "m", "prompt": [1, 2, 3]}, path="/v1/completions")
    assert (status, orjson.loads(body)["error"]["code"]) == (400, "unreadable_content")


@pytest.mark.timeout(120)
def test_a_plugin_that_hangs_or_is_gone_lets_nothing_pass(engine: FakeEngine, tmp_path: Path) -> None:
    with _process(str(ODD)) as port:
        odd = Plugin(name="odd", url=f"http://127.0.0.1:{port}", finds=frozenset({"person"}), timeout_s=0.5)
        worker = Masking(tmp_path, engine.port)
        worker.snapshot = msgspec.structs.replace(worker.snapshot, privacy=_policy(odd))
        with worker:
            before = engine.requests
            for text in ("hang", "die", "and now"):
                status, body = worker.ask(_chat(text))
                assert (status, orjson.loads(body)["error"]["code"]) == (503, "privacy_failed"), text
            assert engine.requests == before
            wait_for("it is told", lambda: b"a plug-in of privacy failed" in worker.state.log(worker.name).read_bytes())


def test_the_example_of_the_documentation_finds_names_over_a_unix_socket(engine: FakeEngine, tmp_path: Path) -> None:
    # A socket's name may have 107 bytes, which a test's own folder may exceed.
    with TemporaryDirectory() as folder, _process(str(EXAMPLE), f"{folder}/names.sock") as said:
        socket = f"{folder}/names.sock"
        assert said == "listening"
        names = Plugin(name="names", url=f"unix:{socket}", finds=frozenset({"person", "address"}), timeout_s=30.0)
        worker = Masking(tmp_path / "state", engine.port)
        worker.snapshot = msgspec.structs.replace(worker.snapshot, privacy=_policy(names))
        with worker:
            assert worker.ask(_chat("姓名：王小明，北京市海淀区中关村大街27号; ask Dr. John Smith"))[0] == 200
            assert _said(engine) == "姓名：[PERSON]，[ADDRESS]; ask [PERSON]"
