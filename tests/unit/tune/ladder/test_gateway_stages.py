"""What the ladder would change of a gateway, and how that comes into the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML
from tests.unit.tune.ladder.simulated import AIM, Simulated, climb, space

from forebay.core.errors import ConfigError
from forebay.tune.carry import carried
from forebay.tune.load.workload import Lengths
from forebay.tune.objective import Objective
from forebay.tune.setting import Setting
from forebay.tune.space import Space
from forebay.tune.stage import Situation, load_stages, stages
from forebay.tune.trial import Rung, Trial

TWO = """
version: 1
gateway: {routing: round_robin, queue: {calls: 2, wait: 1s}}
models:
  m:
    engines:
      - {kind: embedded, max_sequences: 4, threads: 1, count: 2, max_outstanding: 2}
"""
REPEATING = msgspec.structs.replace(AIM, repeat_share=0.4)
SHARING = msgspec.structs.replace(AIM, shared_prefix_share=0.5, shared_prefixes=8)


def through(folder: Path, text: str = TWO, *only: str) -> Space:
    return msgspec.structs.replace(space(folder, text), through=True, only=only)


def proposed(stage: str, where: Space, aim: Objective, trial: Trial | None = None) -> dict[str, dict[str, Any]]:
    load_stages()
    at = Situation(space=where, objective=aim, setting=where.baseline(), trial=trial)
    return {change.name: change.gateway for change in stages[stage](at)}


@pytest.mark.parametrize("stage", ["routing", "caches", "admission"])
def test_without_a_gateway_there_is_nothing_to_change(tmp_path: Path, stage: str) -> None:
    assert proposed(stage, space(tmp_path, TWO), msgspec.structs.replace(SHARING, repeat_share=0.5)) == {}


def test_prefixes_are_followed_where_prompts_share_some(tmp_path: Path) -> None:
    where = through(tmp_path)
    assert next(iter(proposed("routing", where, SHARING))) == "routing by prefix"
    assert "routing by prefix" not in proposed("routing", where, AIM)
    one = through(tmp_path / "one", TWO.replace("count: 2", "count: 1"))
    assert proposed("routing", one, SHARING) == {}


def test_what_the_file_does_already_is_not_proposed(tmp_path: Path) -> None:
    where = through(tmp_path, TWO.replace("round_robin", "least_tokens"))
    assert "routing by tokens" not in proposed("routing", where, AIM)


def test_caches_are_for_loads_that_repeat_themselves(tmp_path: Path) -> None:
    where = through(tmp_path)
    assert proposed("caches", where, AIM) == {}
    assert list(proposed("caches", where, REPEATING)) == ["exact cache", "single flight"]


def test_a_queue_that_refuses_is_made_longer(tmp_path: Path) -> None:
    where = through(tmp_path)
    refused = Rung(concurrency=8, requests_per_s=1, output_tokens_per_s=1, input_tokens_per_s=1, failed=3, rejected=3)
    trial = Trial(
        id=1, setting=where.baseline(), repeat=0, label="", outcome="measured", began_at=0.0, rungs=(refused,)
    )
    assert "longer queue" not in proposed("admission", where, AIM)
    longer = proposed("admission", where, AIM, trial)["longer queue"]
    assert longer == {"gateway.queue.calls": 512, "gateway.queue.wait": 60.0}


def test_an_engine_is_given_as_much_as_it_runs(tmp_path: Path) -> None:
    assert proposed("admission", through(tmp_path), AIM)["4 places"] == {"engine.max_outstanding": 4}


def test_a_gain_of_the_gateway_is_climbed_and_carried_into_the_file(tmp_path: Path) -> None:
    where = through(tmp_path, TWO, "caches", "admission")
    aim = msgspec.structs.replace(REPEATING, name="batch")

    def effect(setting: Setting) -> float:
        return 1.5 if setting.gateway.get("model.cache.exact") else 1.0

    source = Simulated(effect, aim=aim)
    climbed = climb(tmp_path, source, where, aim=aim)
    assert climbed.present.setting.gateway == {"model.cache.exact": True}
    assert {ask.setting.copies for ask in source.asked} == {2}
    after = YAML(typ="safe").load(carried(TWO, where, climbed.present.setting))
    assert after["models"]["m"]["cache"] == {"exact": True}
    assert after["models"]["m"]["engines"][0]["count"] == 2


def test_places_are_carried_to_the_engine(tmp_path: Path) -> None:
    where = through(tmp_path)
    winner = msgspec.structs.replace(where.baseline(), gateway={"engine.max_outstanding": 4, "gateway.queue.calls": 9})
    after = YAML(typ="safe").load(carried(TWO, where, winner))
    assert after["models"]["m"]["engines"][0]["max_outstanding"] == 4
    assert after["gateway"]["queue"] == {"calls": 9, "wait": "1s"}


def test_a_gateway_that_cannot_be_is_not_tried(tmp_path: Path) -> None:
    where = through(tmp_path)
    wrong = msgspec.structs.replace(where.baseline(), gateway={"gateway.queue.calls": -1})
    with pytest.raises(ConfigError):
        where.config_of(wrong)
    assert where.objections(wrong, where.baseline())


def test_lengths_that_differ_make_routing_by_tokens_worth_more(tmp_path: Path) -> None:
    load_stages()
    where = through(tmp_path)
    mixed = msgspec.structs.replace(AIM, input_tokens=Lengths(shape="uniform", least=10, most=900))
    gains = {}
    for name, aim in (("even", AIM), ("mixed", mixed)):
        at = Situation(space=where, objective=aim, setting=where.baseline())
        gains[name] = {change.name: change.gain for change in stages["routing"](at)}["routing by tokens"]
    assert gains["mixed"] > gains["even"]


def test_system_prompts_are_spelt_one_way_where_several_programs_write_them(tmp_path: Path) -> None:
    where = through(tmp_path)
    several = msgspec.structs.replace(SHARING, shared_spellings=4)
    assert proposed("prepare", where, SHARING) == {}
    assert proposed("prepare", space(tmp_path / "direct", TWO), several) == {}
    assert proposed("prepare", where, several) == {"one spelling": {"model.prepare.trim_system": True}}
    done = through(tmp_path / "done", TWO.replace("    engines:", "    prepare: {trim_system: true}\n    engines:"))
    assert proposed("prepare", done, several) == {}
