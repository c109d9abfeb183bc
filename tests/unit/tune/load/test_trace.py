"""Recorded loads are read whole, or refused by the line that is wrong."""

import pytest

from forebay.tune.load.errors import TraceError
from forebay.tune.load.schedule import planned
from forebay.tune.load.trace import Recorded, read
from forebay.tune.load.workload import Arrivals, Workload

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:15:46.6805900,374,44
2023-11-16 18:15:50.9951690,396,109
2024-05-10 00:00:00.009930+00:00,879,55
"""
BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,0,1087,Conversation log
118,GPT-4,417,276,693,Conversation log
"""
MOONCAKE = """{"timestamp": 0, "input_length": 1000, "output_length": 52, "hash_ids": [46, 47]}
{"timestamp": 3052, "input_length": 512, "output_length": 26, "hash_ids": [46]}
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "trace"
        path.write_text(text, "utf-8")
        return path

    return write


def test_azure(file):
    found = read(file(AZURE)).requests
    assert [(each.input_tokens, each.output_tokens) for each in found] == [(374, 44), (396, 109), (879, 55)]
    assert found[0].at_s == 0
    assert found[1].at_s == pytest.approx(4.314579)


def test_burstgpt_keeps_failed_requests_which_are_counted_and_not_sent(file):
    found = read(file(BURSTGPT))
    assert found.requests == (Recorded(0.0, 472, 18), Recorded(113.0, 417, 276))
    assert found.skipped == 1


def test_mooncake_with_its_blocks(file):
    assert read(file(MOONCAKE)).requests == (Recorded(0.0, 1000, 52, (46, 47)), Recorded(3.052, 512, 26, (46,)))


def test_a_trace_is_played_as_fast_as_asked(file):
    come = Arrivals(shape="trace", trace=str(file(MOONCAKE)), speed=2.0)
    assert [each.at_s for each in planned(Workload(arrivals=come, duration_s=None))] == [0.0, 1.526]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", None, "empty"),
        ("a,b,c\n1,2,3\n", 1, "no known format"),
        (AZURE.replace("396,109", ",109"), 3, "'' is no number of tokens"),
        (AZURE.replace("396,109", "396"), 3, "2 columns"),
        (AZURE.replace("396,109", "-4,109"), 3, "'-4' is no number"),
        (AZURE.replace("396,109", "3.5,109"), 3, "'3.5' is no number"),
        (AZURE.replace("396,109", "396,0"), 3, "'0' is no number"),
        (AZURE.replace("2023-11-16 18:15:50", "2023-11-16 18:15:40"), 3, "time runs backwards"),
        (AZURE.replace("2023-11-16 18:15:50.9951690", "yesterday"), 3, "no date"),
        (AZURE.replace("2023-11-16 18:15:50.9951690", "2023-13-16 18:15:50"), 3, "no date"),
        (BURSTGPT.replace("45,", "NaN,"), 3, "no time"),
        (BURSTGPT.replace("45,", "inf,"), 3, "no time"),
        (MOONCAKE.replace("3052", '"soon"'), 2, "no time"),
        (MOONCAKE.replace('"output_length": 26, ', ""), 2, "None is no number of tokens"),
        (MOONCAKE.replace("[46]", "[46, 47]"), 2, "512 tokens are not 2 blocks"),
        (MOONCAKE.replace("[46]", '"x"'), 2, "no list"),
        (MOONCAKE + "}\n", 3, "no JSON"),
        (MOONCAKE + "[]\n", 3, "no object"),
    ],
)
def test_a_trace_with_a_hole_is_refused_by_its_line(file, text, line, why):
    path = file(text)
    with pytest.raises(TraceError, match=why) as refused:
        read(path)
    assert refused.value.where == (str(path) if line is None else f"{path}:{line}")


def test_a_trace_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TraceError, match="cannot be read"):
        read(tmp_path / "none")
