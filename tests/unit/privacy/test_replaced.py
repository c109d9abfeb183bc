"""What stands in the place of values, in pieces as in whole text; and types of the operator's own."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.privacy.samples import SAMPLES

from forebay.gateway.privacy.walk import Walk
from forebay.privacy.budget import Budget
from forebay.privacy.own import BadPattern, recogniser_of, words_of
from forebay.privacy.policy import Action, Actions, Pattern, PrivacyPolicy, Scope
from forebay.privacy.redact import redact, redaction
from forebay.privacy.replace import Blocked, Names, Replacer
from forebay.privacy.rules import Rules
from forebay.privacy.search import search
from forebay.privacy.stream import Channel
from forebay.privacy.words import BadWords

PHONE, MAIL = "13812345678", "a.b@example.com"
RULES = Rules(
    PrivacyPolicy(
        scopes=(Scope(),),
        patterns=(
            Pattern(name="project", words=("昆仑计划", "Project Apollo", "Zeus")),
            Pattern(name="staff", expression=r"EMP-[0-9]{6}", near=("employee", "工号")),
        ),
    )
)
OWN = [
    "昆仑计划",
    "Project Apollo",
    "zeus",
    "employee EMP-123456",
    "工号EMP-123456",
    "EMP-654321",
    "Zeusx",
    "昆仑",
    "Project ",
]
TEXTS = st.lists(
    st.sampled_from(
        [*OWN, *(value for _, _, value, _ in SAMPLES), " ", ", ", "的", "a", "1", "\\n", '"', "{", "x" * 400]
    ),
    min_size=1,
    max_size=8,
).map("".join)


def _replacer(action: Action, names: Names | None = None) -> Replacer:
    return Replacer(Actions(action), b"secret", names or Names(), frozenset(), RULES.detector.endless)


def _streamed(text: str, cuts: list[int], replacer: Replacer, *, is_json: bool = False) -> list[str]:
    channel, left = Channel(search(RULES.detector), replacer, is_json=is_json), list[str]()
    pieces = [text[start:end] for start, end in pairwise([0, *sorted(cuts), len(text)])]
    ends: list[int] = []
    for piece in pieces:
        channel.add(piece)
        ends.append(channel.end)
        while len(left) < len(ends) and channel.decided >= ends[len(left)]:
            left.append(channel.take())
    channel.finish()
    return left + [channel.take() for _ in range(len(pieces) - len(left))]


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from(["mask", "pseudonymise", "hash", "allow"]), st.data())
def test_a_stream_leaves_as_the_whole_text_does(text: str, action: Action, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=10))
    whole = redact(text, RULES.detector, _replacer(action))
    assert "".join(_streamed(text, cuts, _replacer(action))) == whole
    if action == "allow":
        assert whole == text


def _by_pieces(text: str, replacer: Replacer, piece: int, *, is_json: bool = False) -> tuple[str, int]:
    """What is left of a text, and how often there was a moment for others."""
    steps, moments = redaction(text, RULES.detector, replacer, is_json=is_json, piece=piece), 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, moments
        moments += 1


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.sampled_from(["mask", "pseudonymise", "hash", "allow"]), st.integers(1, 500))
def test_a_text_in_pieces_is_left_as_the_whole_is(text: str, action: Action, piece: int) -> None:
    told, moments = _by_pieces(text, _replacer(action), piece)
    assert told == redact(text, RULES.detector, _replacer(action))
    assert moments == (0 if len(text) <= piece else -(-len(text) // piece))


def test_a_text_in_which_nothing_is_stays_the_very_same() -> None:
    text = "nothing personal. " * 500
    assert _by_pieces(text, _replacer("mask"), 1_000)[0] is text


_VALUES = st.recursive(
    st.sampled_from([PHONE, int(PHONE), MAIL, "x\n" + PHONE, 'say "' + MAIL + '"', 1.5, None, True, "\\"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["to", "n", "说"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(_VALUES, st.booleans(), st.data())
def test_the_text_of_a_json_value_stays_one(value: object, escaped: bool, data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=8))
    for action in ("mask", "pseudonymise", "hash"):
        told = "".join(_streamed(text, cuts, _replacer(action), is_json=True))
        json.loads(told)
        assert PHONE not in told
        assert MAIL not in told
        assert told == redact(text, RULES.detector, _replacer(action), is_json=True)
        assert told == _by_pieces(text, _replacer(action), 7, is_json=True)[0]


def test_a_name_is_turned_back_into_the_very_value_also_in_json() -> None:
    names = Names()
    value = '"quoted"@x.com'
    name = names.of("email", value)
    back = redact(f'{{"to": "{name}", "n": {name}}}', RULES.with_names, _replacer("mask", names), is_json=True)
    assert json.loads(back) == {"to": value, "n": value}


def test_no_name_is_given_that_stood_in_the_request() -> None:
    names = Names("tell <EMAIL_1> and <EMAIL_2>")
    assert names.of("email", MAIL) == "<EMAIL_3>"
    assert names.value("<EMAIL_1>") is None


def test_what_is_blocked_names_its_type_and_not_its_value() -> None:
    with pytest.raises(Blocked) as blocked:
        redact(f"to {PHONE}", RULES.detector, _replacer("block"))
    assert str(blocked.value) == "cn_mobile"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("关于昆仑计划的进展", "关于[PROJECT]的进展"),
        ("the PROJECT  apollo team, project apollo's", "the PROJECT  apollo team, [PROJECT]'s"),
        ("Zeus and Zeusian", "[PROJECT] and Zeusian"),
        ("昆计仑划 is not it", "昆计仑划 is not it"),
        ("employee EMP-123456, order EMP-123456", "employee [STAFF], order EMP-123456"),
        ("工号：EMP-123456", "工号：[STAFF]"),
    ],
)
def test_types_of_the_operators_own(text: str, told: str) -> None:
    if "order EMP" in text:
        told, text = told.replace("order", "x" * 50 + " order"), text.replace("order", "x" * 50 + " order")
    assert redact(text, RULES.detector, _replacer("mask")) == told


@pytest.mark.parametrize(
    "pattern",
    [
        Pattern(name="x", expression="(a)b"),
        Pattern(name="x", expression="^a"),
        Pattern(name="x", expression="a$"),
        Pattern(name="x", expression=r"a\z"),
        Pattern(name="x", expression="a*"),
        Pattern(name="x", expression="[a"),
        Pattern(name="x", expression=r"(?=a)"),
        Pattern(name="x", expression="a" * 1_001),
    ],
)
def test_a_pattern_that_cannot_be_kept_to_is_refused(pattern: Pattern) -> None:
    with pytest.raises(BadPattern):
        recogniser_of(pattern)


@pytest.mark.parametrize("word", ["  ", "a" * 121, "\u200b"])
def test_a_word_that_cannot_be_looked_for_is_refused(word: str) -> None:
    with pytest.raises(BadWords):
        words_of([Pattern(name="x", words=(word,))])


@pytest.mark.parametrize(
    ("actions", "told"),
    [
        (Actions("mask"), "[CROWDED]"),
        (Actions("allow", {"email": "mask"}), "[CROWDED]"),
        (Actions("pseudonymise"), "[CROWDED]"),
        (Actions("mask", {"crowded": "allow"}), "13812345679 etc."),
        (Actions("mask", {"private_key": "block"}), None),
        (Actions("mask", {"crowded": "block"}), None),
    ],
)
def test_what_is_not_confirmed_any_more_counts_as_found(actions: Actions, told: str | None) -> None:
    replacer = Replacer(actions, b"secret", Names(), frozenset(), RULES.detector.endless)
    if told is None:
        with pytest.raises(Blocked, match="crowded"):
            redact("x, 13812345679 etc.", RULES.detector, replacer, budget=Budget(0))
    else:
        assert redact("x, 13812345679 etc.", RULES.detector, replacer, budget=Budget(0)) == "x, " + told


def test_the_texts_of_a_request_share_one_budget() -> None:
    fields = {"messages": [{"content": "13812345678"}, {"content": "nothing"}, {"content": "13812345678"}]}
    Walk(RULES.detector, _replacer("mask"), budget=Budget(1)).over(fields)
    assert [each["content"] for each in fields["messages"]] == ["[CN_MOBILE]", "nothing", "[CROWDED]"]


@pytest.mark.parametrize("member", ["input", "metadata", "parameters", "schema"])
@pytest.mark.parametrize("value", [f'"{PHONE}"', PHONE, f'{{"n": "{PHONE}"}}', f'[{{"usage": ["{PHONE}"]}}]'])
def test_names_in_a_clients_own_object_are_not_the_protocols(member: str, value: str) -> None:
    own = json.loads(f'{{"usage": {value}, "logprobs": [0.5], "to": "{PHONE}"}}')
    fields = {"content": [{"type": "tool_use", member: json.loads(json.dumps(own))}]}
    assert Walk(RULES.detector, _replacer("mask"), numbers=True).over(fields)
    assert Walk(RULES.detector, _replacer("mask"), numbers=True).over(own, at=member)
    assert fields["content"][0][member] == own
    assert PHONE not in json.dumps(own)
    assert own["logprobs"] == [0.5]


def test_a_list_called_input_has_the_protocols_names_and_a_text_is_read_wherever_it_stands() -> None:
    fields = {"input": [{"usage": {"total": int(PHONE)}, "logprobs": PHONE}]}
    Walk(RULES.detector, _replacer("mask"), numbers=True).over(fields)
    assert fields == {"input": [{"usage": {"total": int(PHONE)}, "logprobs": None}]}


def test_what_is_called_an_image_in_a_clients_own_object_is_text_to_the_engine() -> None:
    told = {"type": "base64", "data": PHONE, "url": f"data:image/png,{PHONE}"}
    fields = {"content": [{"type": "tool_use", "input": dict(told)}, {"type": "image", "source": dict(told)}]}
    assert Walk(RULES.detector, _replacer("mask")).over(fields)
    assert PHONE not in json.dumps(fields["content"][0])
    assert fields["content"][1]["source"] == told


def test_a_key_that_one_policy_lets_pass_the_next_may_refuse() -> None:
    fields = {"project_falcon": 1}
    assert not Walk(Rules(PrivacyPolicy(scopes=())).detector, _replacer("mask")).over(fields)
    listed = PrivacyPolicy(scopes=(), patterns=(Pattern(name="secret_project", words=("project_falcon",)),))
    with pytest.raises(Blocked, match="key"):
        Walk(Rules(listed).detector, _replacer("mask")).over(fields)


def test_a_class_may_hold_what_elsewhere_means_an_edge() -> None:
    assert recogniser_of(Pattern(name="x", expression=r"[^a$]{3}\$")).pattern
