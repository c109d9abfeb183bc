"""What a client gets of a stream: the same as of the whole answer, whatever was cut where."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import orjson
import pytest
from tests.integration.privacy.conftest import Masking
from tests.integration.privacy.speech import chat, heard, payloads, says, streams, whole

from forebay.testing.fake_engine import Exchange, FakeEngine

PHONE, CARD, MAIL = "13812345678", "4111 1111 1111 1111", "li.wei@corp.example.com"
TEXT = f"请致电{PHONE}，或写信到{MAIL}。The card is {CARD}, thanks a lot."
MASKED = "请致电[CN_MOBILE]，或写信到[EMAIL]。The card is [BANK_CARD], thanks a lot."
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def _pieces(text: str, cuts: list[int]) -> list[str]:
    return [text[start:end] for start, end in pairwise([0, *sorted(cuts), len(text)])]


def _stream(worker: Masking, tenant: str = "", **more: object) -> bytes:
    status, body = worker.ask(ASK | {"stream": True} | more, tenant=tenant)
    assert status == 200, body
    return body


def test_a_whole_answer_is_searched(worker: Masking, engine: FakeEngine) -> None:
    engine.script = says(TEXT)
    status, body = worker.ask(ASK)
    assert (status, orjson.loads(body)["choices"][0]["message"]["content"]) == (200, MASKED)


@pytest.mark.parametrize("seed", range(12))
def test_a_stream_says_what_the_whole_answer_does(worker: Masking, engine: FakeEngine, seed: int) -> None:
    dice = random.Random(seed)
    cuts = [dice.randrange(len(TEXT)) for _ in range(seed * 4)] if seed else list(range(len(TEXT)))
    engine.script = streams(
        *chat({"role": "assistant", "content": ""}, *({"content": each} for each in _pieces(TEXT, cuts)))
    )
    body = _stream(worker)
    assert heard(body) == MASKED
    assert payloads(body)[-1] == "[DONE]"
    for secret in (PHONE, MAIL, CARD):
        assert secret[:8].encode() not in body


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_where_the_wire_cuts_a_stream_is_no_matter(worker: Masking, engine: FakeEngine, size: int) -> None:
    said = chat(*({"content": each} for each in _pieces(TEXT, list(range(0, len(TEXT), 5)))))
    written = b"".join(b"data: " + orjson.dumps(each) + b"\n\n" for each in said) + b"data: [DONE]\n\n"

    async def script(exchange: Exchange) -> None:
        await exchange.begin_stream()
        framed = b"".join(b"%x\r\n%b\r\n" % (len(written[at : at + 11]), written[at : at + 11])
                          for at in range(0, len(written), 11)) + b"0\r\n\r\n"  # fmt: skip
        for at in range(0, len(framed), size):
            await exchange.send(framed[at : at + size])

    engine.script = script
    assert heard(_stream(worker)) == MASKED


def test_events_without_values_pass_byte_for_byte(worker: Masking, engine: FakeEngine) -> None:
    said = b'{"id":"c",  "choices":[{"index":0,"delta":{"content":"Hello, w\\u00f6rld. "},"finish_reason":null}]}'
    written = b"data: " + said + b"\n\n"
    engine.script = streams(written, *chat({"content": "Bye."}))
    assert written in _stream(worker)


def test_each_text_of_a_stream_is_searched_by_itself(worker: Masking, engine: FakeEngine) -> None:
    def call(arguments: str, **more: object) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, "function": {"arguments": arguments}, **more}]}

    thought = [{"reasoning_content": each} for each in ("think 138", "1234", "5678, so")]
    said = [{"content": each} for each in ("mail li.wei", "@corp.exam", "ple.com now")]
    called = [call('{"to": 1381'), call('2345678, "c": "\\u0031\\u0033'), call('812345678"}')]
    refused = [{"refusal": each} for each in ("no 1381234", "5678.")]
    mixed = [each for group in zip(thought, said, called, strict=True) for each in group]
    engine.script = streams(*chat(*mixed, *refused, finish="tool_calls"))
    body = _stream(worker)
    assert heard(body, "reasoning_content") == "think [CN_MOBILE], so"
    assert heard(body) == "mail [EMAIL] now"
    assert heard(body, "refusal") == "no [CN_MOBILE]."
    calls = [choice["delta"]["tool_calls"][0] for each in payloads(body) if isinstance(each, dict)
             for choice in each["choices"] if "tool_calls" in choice["delta"]]  # fmt: skip
    arguments = "".join(each["function"]["arguments"] for each in calls)
    assert orjson.loads(arguments) == {"to": "[CN_MOBILE]", "c": "[CN_MOBILE]"}


def test_choices_that_take_turns_do_not_mix(worker: Masking, engine: FakeEngine) -> None:
    one, two = (chat(*({"content": each} for each in pieces), index=index) for index, pieces in
                enumerate((("a 138", "1234", "5678"), ("b li.wei", "@corp.example", ".com"))))  # fmt: skip
    engine.script = streams(*(each for pair in zip(one, two, strict=True) for each in pair))
    body = _stream(worker, n=2)
    assert (heard(body), heard(body, index=1)) == ("a [CN_MOBILE]", "b [EMAIL]")


def test_counts_and_ends_survive(worker: Masking, engine: FakeEngine) -> None:
    usage = {"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
    engine.script = streams(*chat({"content": f"to {PHONE}"}, finish="length"), usage)
    told = payloads(_stream(worker, stream_options={"include_usage": True}))
    assert told[-2]["usage"]["total_tokens"] == 10
    assert [choice["finish_reason"] for each in told[:-1] for choice in each["choices"]] == [None, "length"]


def test_log_probabilities_go_where_their_text_has_changed(worker: Masking, engine: FakeEngine) -> None:
    def piece(text: str) -> dict[str, Any]:
        return {"index": 0, "delta": {"content": text}, "logprobs": {"content": [{"token": text, "logprob": -1.0}]},
                "token_ids": [1], "finish_reason": None}  # fmt: skip

    events = [{"id": "c", "choices": [piece(text)]} for text in ("Call, ", "138", "12345678", " now. ")]
    engine.script = streams(*events, *chat())
    body = _stream(worker, logprobs=True)
    kept = [choice.get("logprobs") for each in payloads(body)[:-1] for choice in each["choices"]]
    assert [bool(each) for each in kept] == [True, False, False, True, False]
    assert b'"138"' not in body
    assert b"12345678" not in body
    message = {"index": 0, "message": {"role": "assistant", "content": PHONE}, "finish_reason": "stop"}
    engine.script = whole({"choices": [message | {"logprobs": {"content": [{"token": PHONE, "logprob": -1.0}]}}]})
    answer = orjson.loads(worker.ask(ASK | {"logprobs": True})[1])
    assert answer["choices"][0] == message | {
        "message": {"role": "assistant", "content": "[CN_MOBILE]"},
        "logprobs": None,
    }


@pytest.mark.parametrize("then", ["end", "reset", "close"])
def test_what_was_held_is_searched_however_a_stream_ends(worker: Masking, engine: FakeEngine, then: str) -> None:
    engine.script = streams(*chat({"content": "call 138"}, {"content": "12345678"}, finish=None), done=False, then=then)
    body = _stream(worker)
    assert heard(body) == "call [CN_MOBILE]"
    assert b"stream_cut" in body


def test_an_engines_error_is_searched_too(worker: Masking, engine: FakeEngine) -> None:
    engine.script = streams(*chat({"content": "x "}, finish=None), {"error": {"message": f"bad prompt: {PHONE}"}})
    assert PHONE.encode() not in _stream(worker)

    async def refuse(exchange: Exchange) -> None:
        await exchange.answer(orjson.dumps({"error": {"message": f"no template for {PHONE}"}}), 400)

    engine.script = refuse
    for tenant in ("", "strict"):
        status, body = worker.ask(ASK, tenant=tenant)
        assert status == 400
        assert PHONE not in body.decode()


def test_a_policy_may_end_an_answer(worker: Masking, engine: FakeEngine) -> None:
    engine.script = says(TEXT)
    status, body = worker.ask(ASK, tenant="strict")
    assert (status, orjson.loads(body)["error"]["code"]) == (403, "answer_withheld")
    assert PHONE not in body.decode()
    engine.script = streams(*chat(*({"content": each} for each in ("fine. ", "call 138", "12345678 ", "more"))))
    body = _stream(worker, tenant="strict")
    assert heard(body) == "fine. "
    assert payloads(body)[-1]["error"]["code"] == "answer_withheld"


@pytest.mark.parametrize(
    "bad", [b"data: {no json\n\n", b"data: [1]\n\n", b'data: {"a":1}\ndata: 13812345678\n\n', b"13812345678\n\n"]
)
def test_what_cannot_be_understood_ends_the_stream(worker: Masking, engine: FakeEngine, bad: bytes) -> None:
    engine.script = streams(*chat({"content": "x, "}, finish=None), bad, *chat({"content": "y"}))
    body = _stream(worker)
    assert heard(body) == "x, "
    assert payloads(body)[-1]["error"]["code"] == "privacy_failed"
    assert PHONE.encode() not in body


def test_a_comment_says_nothing(worker: Masking, engine: FakeEngine) -> None:
    engine.script = streams(f": {PHONE}\n\n".encode(), *chat({"content": "x"}))
    assert PHONE.encode() not in _stream(worker)


def test_names_are_turned_back_for_the_caller_alone(worker: Masking, engine: FakeEngine) -> None:
    ask = {"model": "m", "messages": [{"role": "user", "content": f"write to {MAIL} of {PHONE}"}]}
    engine.script = says("Dear <EMAIL_1> (<CN_MOBILE_1>), <EMAIL_2>")
    body = worker.ask(ask, tenant="named")[1]
    assert orjson.loads(body)["choices"][0]["message"]["content"] == f"Dear {MAIL} ({PHONE}), <EMAIL_2>"
    engine.script = streams(*chat(*({"content": each} for each in "Dear <EMAIL_1> (<CN_MOBILE_1>)")))
    body = worker.ask(ask | {"stream": True}, tenant="named")[1]
    assert heard(body) == f"Dear {MAIL} ({PHONE})"
    engine.script = says("Dear <EMAIL_1>")
    body = worker.ask(ASK, tenant="named")[1]
    assert orjson.loads(body)["choices"][0]["message"]["content"] == "Dear <EMAIL_1>"


ROUTES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/v1/completions", {"prompt": "x"}, {"choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}]}),
    ("/v1/responses", {"input": "x"}, {"output": [{"type": "message", "content": [{"text": TEXT}]}]}),
    ("/v1/messages", {"max_tokens": 9, "messages": ASK["messages"]}, {"content": [{"type": "text", "text": TEXT}]}),
    ("/v1/rerank", {"query": "x", "documents": ["y"]}, {"results": [{"document": {"text": TEXT}}]}),
    ("/v1/detokenize", {"tokens": [1]}, {"prompt": TEXT}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "ask", "answer"), ROUTES, ids=[each[0] for each in ROUTES])
def test_every_route_has_the_same_verdict(
    worker: Masking, engine: FakeEngine, path: str, ask: dict[str, Any], answer: dict[str, Any]
) -> None:
    engine.script = whole(answer)
    status, body = worker.ask({"model": "m", **ask}, path=path)
    assert status == 200
    assert orjson.loads(body) == orjson.loads(orjson.dumps(answer).replace(TEXT.encode(), MASKED.encode()))
    status, body = worker.ask({"model": "m", **ask}, path=path, tenant="strict")
    assert (status, orjson.loads(body)["error"]["code"]) == (403, "answer_withheld")


def test_a_number_that_a_model_gives_a_tool_is_one_whole_or_streamed(worker: Masking, engine: FakeEngine) -> None:
    use = {"type": "tool_use", "id": "1", "name": "f", "input": {"to": int(PHONE), "cc": [{"n": int(PHONE)}], "at": 9}}
    ask = {"model": "m", "max_tokens": 9, "messages": ASK["messages"]}
    engine.script = whole({"content": [use], "created": int(PHONE)})
    status, body = worker.ask(ask, path="/v1/messages")
    told = orjson.loads(body)
    assert (status, told["created"]) == (200, int(PHONE)), "a number of the protocol is no text"
    assert told["content"][0]["input"] == {"to": "[CN_MOBILE]", "cc": [{"n": "[CN_MOBILE]"}], "at": 9}
    start = {"type": "content_block_start", "index": 0, "content_block": use}
    engine.script = streams(start, {"type": "content_block_stop", "index": 0}, {"type": "message_stop"}, done=False)
    assert PHONE not in worker.ask(ask | {"stream": True}, path="/v1/messages")[1].decode()


def test_a_stream_of_completions_is_searched(worker: Masking, engine: FakeEngine) -> None:
    events = [{"id": "c", "choices": [{"index": 0, "text": each, "finish_reason": None}]} for each in TEXT]
    engine.script = streams(*events)
    status, body = worker.ask({"model": "m", "prompt": "x", "stream": True}, path="/v1/completions")
    assert (status, heard(body, "text")) == (200, MASKED)


def test_a_stream_of_responses_is_searched(worker: Masking, engine: FakeEngine) -> None:
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    deltas = [{"type": "response.output_text.delta", "delta": each, **place} for each in TEXT]
    done = {"type": "response.output_text.done", "text": TEXT, **place}
    over = {"type": "response.completed", "response": {"output": [{"content": [{"text": TEXT}]}]}}
    engine.script = streams(*deltas, done, over, done=False)
    status, body = worker.ask({"model": "m", "input": "x", "stream": True}, path="/v1/responses")
    told = payloads(body)
    assert status == 200
    assert "".join(each["delta"] for each in told if each["type"].endswith(".delta")) == MASKED
    assert told[-2]["text"] == told[-1]["response"]["output"][0]["content"][0]["text"] == MASKED


def test_a_stream_of_messages_is_searched(worker: Masking, engine: FakeEngine) -> None:
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": each}} for each in TEXT
    ]
    tool = [
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": each}}
        for each in f'{{"n":{PHONE}}}'
    ]
    engine.script = streams(
        *deltas, {"type": "content_block_stop", "index": 0}, *tool, {"type": "content_block_stop", "index": 1},
        {"type": "message_stop"}, done=False,
    )  # fmt: skip
    ask = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": "x"}]}
    status, body = worker.ask(ask, path="/v1/messages")
    told = [each["delta"] for each in payloads(body) if each["type"] == "content_block_delta"]
    assert status == 200
    assert "".join(each.get("text", "") for each in told) == MASKED
    assert orjson.loads("".join(each.get("partial_json", "") for each in told)) == {"n": "[CN_MOBILE]"}


def test_what_is_found_is_counted_by_type_and_nothing_of_it_is_logged(worker: Masking, engine: FakeEngine) -> None:
    engine.script = says(TEXT)
    worker.ask({"model": "m", "messages": [{"role": "user", "content": PHONE}]})
    for direction in ("input", "output"):
        assert worker.counted("forebay_privacy_values_total", type="cn_mobile", direction=direction, action="mask")
    assert PHONE.encode() not in worker.state.log(worker.name).read_bytes()
