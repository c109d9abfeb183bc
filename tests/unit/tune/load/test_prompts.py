"""Prompts have the length asked for, differ from their first words on, and share what they are told to share."""

import base64
import struct

import orjson
import pytest

from forebay.core.errors import UsageError
from forebay.tune.load.bodies import Bodies, Turn
from forebay.tune.load.images import data_url
from forebay.tune.load.prompts import Vocabulary, Writer
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Images, Workload

KINDS = tuple(f"w{n}" for n in range(40))
WORDS = Vocabulary(words=KINDS, tokens_per_word=1.0, overhead_tokens=6.0, exact=True, how="x")
PLAIN = Workload()


def body(path, load=PLAIN, prompt="hello", before=(), number=0):
    request = Bodies(Target(url="http://h:1/base", model="m", key="k", path=path), load).request(
        number, prompt, 9, before
    )
    head, _, found = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /base" + path.encode() + b" HTTP/1.1\r\nhost: h:1\r\nauthorization: Bearer k\r\n")
    assert head.endswith(b"content-length: %d" % len(found))
    return orjson.loads(found)


@pytest.mark.parametrize("tokens", [7, 8, 100, 512, 70_000, 200_000])
def test_a_prompt_has_the_length_asked_for_overhead_included(tokens):
    assert len(Writer(WORDS, 1).prompt(3, tokens).split()) == tokens - 6


def test_no_two_prompts_begin_alike():
    writer = Writer(WORDS, 1)
    begun = {tuple(writer.prompt(number, 50).split()[:4]) for number in range(5000)}
    assert len(begun) == 5000


def test_a_shared_prefix_is_the_same_text_in_all():
    writer = Writer(WORDS, 1, shared_prefix_share=0.5)
    first, second = (writer.prompt(number, 106).split() for number in (1, 2))
    assert first[:50] == second[:50]
    assert first[50] != second[50]


def test_the_same_block_of_a_trace_is_the_same_text():
    writer = Writer(WORDS, 1)
    first, second = writer.of_blocks((5, 6), 1030).split(), writer.of_blocks((5, 7), 1030).split()
    assert len(first) == len(second) == 1024
    assert first[:512] == second[:512]
    assert first[512:516] != second[512:516]


def test_the_three_routes_ask_in_their_own_words():
    text = body("/v1/completions")
    assert (text["prompt"], text["max_tokens"], text["ignore_eos"]) == ("hello", 9, True)
    assert text["stream_options"] == {"include_usage": True}
    chat = body("/v1/chat/completions", before=(Turn("a", "b"),))
    assert [each["content"] for each in chat["messages"]] == ["a", "b", "hello"]
    responses = body("/v1/responses")
    assert responses["input"] == [{"role": "user", "content": "hello"}]
    assert responses["max_output_tokens"] == 9
    assert "stream_options" not in responses


def test_adapters_are_asked_for_in_turn():
    load = Workload(adapters=("a", "b"), stream=False, ignore_eos=False, extra={"top_k": 3})
    assert [body("/v1/completions", load, number=n)["model"] for n in range(3)] == ["a", "b", "a"]
    assert "stream" not in body("/v1/completions", load)
    assert body("/v1/completions", load)["top_k"] == 3


def test_images_are_whole_pngs_of_the_size_asked_for_and_all_different():
    urls = [data_url(number, 33, 20) for number in range(40)]
    assert len(set(urls)) == 40
    png = base64.b64decode(urls[0].partition(",")[2])
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (33, 20)
    shown = body("/v1/chat/completions", Workload(images=Images(count=2, width=8, height=8)))
    assert [part["type"] for part in shown["messages"][0]["content"]] == ["image_url", "image_url", "text"]


def test_a_route_that_cannot_is_refused():
    with pytest.raises(UsageError, match="takes no images"):
        Bodies(Target(url="http://h", model="m"), Workload(images=Images()))
    with pytest.raises(UsageError, match="no route"):
        Bodies(Target(url="http://h", model="m", path="/v1/embeddings"), Workload())


def test_there_may_be_several_shared_prefixes():
    writer = Writer(WORDS, 1, 0.5, 4)
    beginnings = {writer.prompt(number, 100)[:150] for number in range(200)}
    assert len(beginnings) == 4
    assert len({writer.prompt(number, 100) for number in range(200)}) == 200


def test_a_shared_system_prompt_comes_in_as_many_spellings_as_are_asked_for():
    load = Workload(shared_prefix_share=0.5, shared_spellings=3)
    writer = Writer(WORDS, 1, 0.5)
    seen = set()
    for number in range(9):
        system, own = writer.parts(number, 106)
        assert f"{system} {own}" == writer.prompt(number, 106)
        bodies = Bodies(Target(url="http://h:1", model="m", path="/v1/chat/completions"), load)
        said = orjson.loads(bodies.request(number, own, 9, (), system).partition(b"\r\n\r\n")[2])["messages"]
        assert [each["role"] for each in said] == ["system", "user"]
        assert said[0]["content"].split() == system.split()
        seen.add(said[0]["content"])
    assert len(seen) == 3


def test_a_prompt_without_roles_has_no_system_prompt_to_spell():
    with pytest.raises(UsageError, match="system prompt"):
        Bodies(Target(url="http://h", model="m"), Workload(shared_spellings=2))
