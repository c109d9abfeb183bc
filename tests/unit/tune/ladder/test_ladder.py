"""The ladder finds what is there, keeps nothing that is not, and goes on where it ended."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.unit.tune.ladder.simulated import VLLM, Simulated, climb, space

from forebay.core.errors import RunError, StateError
from forebay.tune.journal import NAME, Journal
from forebay.tune.setting import Setting
from forebay.tune.source import Ask
from forebay.tune.trial import Failure, Trial

SEEDS = 150


def by_sequences(gain: float) -> object:
    """Eight sequences and more are worth so much."""
    return lambda setting: 1 + gain * (setting.args.get("max_sequences", 4) >= 8)


def nothing(_setting: Setting) -> float:
    return 1.0


def test_a_gain_of_ten_percent_is_found(tmp_path: Path) -> None:
    where = space(tmp_path)
    found = 0
    for seed in range(40):
        climbed = climb(tmp_path / str(seed), Simulated(by_sequences(0.10), seed=seed), where)
        found += climbed.present.setting.args.get("max_sequences", 4) >= 8
    assert found >= 36


def test_what_changes_nothing_is_kept_in_fewer_than_three_of_a_hundred_trials(tmp_path: Path) -> None:
    """The stated rate: screening at p 0.25, then fresh starts at p 0.05, each of them without a gain to find."""
    where = space(tmp_path)
    kept = tried = 0
    for seed in range(SEEDS):
        climb(tmp_path / str(seed), Simulated(nothing, seed=seed), where)
        with Journal(tmp_path / str(seed) / "journal") as journal:
            tried += len(journal.decisions)
            kept += sum(each.kept for each in journal.decisions)
    assert tried >= 2 * SEEDS
    assert kept / tried < 0.03


def test_noise_that_is_greater_than_thought_is_learned_from_repeats(tmp_path: Path) -> None:
    """Twice the noise that is assumed at first: still hardly anything is kept."""
    where = space(tmp_path)
    kept = tried = 0
    for seed in range(SEEDS):
        climb(tmp_path / str(seed), Simulated(nothing, sd=0.06, seed=seed), where)
        with Journal(tmp_path / str(seed) / "journal") as journal:
            tried += len(journal.decisions)
            kept += sum(each.kept for each in journal.decisions)
    assert kept / tried < 0.08


def test_strides_climb_with_few_starts(tmp_path: Path) -> None:
    def effect(setting: Setting) -> float:
        eager = setting.args.get("enforce-eager") is True
        fp8 = setting.args.get("quantization") == "fp8"
        return (1.0 if eager else 1.8) * (1.3 if fp8 else 1.0)

    source = Simulated(effect)
    climbed = climb(tmp_path, source, space(tmp_path, VLLM), way="strides", budget_s=5 * 60.0)
    assert [ask.repeat for ask in source.asked] == [0, 0, 0, 1, 1]
    assert "enforce-eager" not in climbed.present.setting.args
    assert climbed.present.setting.args["quantization"] == "fp8"
    assert climbed.present.precision
    assert not climbed.finished


def test_time_is_kept_back_to_confirm_what_strides_have_won(tmp_path: Path) -> None:
    """Eight starts of 60 s: three for baseline and strides, two for both once more, the rest for single changes."""
    source = Simulated(lambda setting: 1.0 if setting.args.get("enforce-eager") is True else 1.8)
    climbed = climb(tmp_path, source, space(tmp_path, VLLM), way="strides", budget_s=8 * 60.0)
    again = [ask for ask in source.asked if ask.repeat == 1]
    assert [ask.setting for ask in again] == [climbed.baseline.setting, climbed.present.setting]
    assert again[0].begin == source.asked[0].begin, "a load that the winner bears would only tell of the queue"
    with Journal(tmp_path / "journal") as journal:
        last = journal.decisions[-1]
    assert last.stage == "confirmation"
    assert last.confirmed
    assert last.gain == pytest.approx(1.8, rel=0.15)


def test_a_stride_that_fails_is_not_taken_apart_in_the_time_that_confirms_the_one_before(tmp_path: Path) -> None:
    """Lower precision brings nothing here; its halves would cost the two starts that are left."""
    source = Simulated(lambda setting: 1.0 if setting.args.get("enforce-eager") is True else 1.8)
    climb(tmp_path, source, space(tmp_path, VLLM), way="strides", budget_s=5.5 * 60.0)
    assert [ask.repeat for ask in source.asked] == [0, 0, 0, 1, 1]


def test_the_second_stride_is_not_tried_in_the_time_that_confirms_the_first(tmp_path: Path) -> None:
    source = Simulated(lambda setting: 1.0 if setting.args.get("enforce-eager") is True else 1.8)
    climbed = climb(tmp_path, source, space(tmp_path, VLLM), way="strides", budget_s=4.5 * 60.0)
    assert [ask.repeat for ask in source.asked] == [0, 0, 1, 1]
    assert climbed.present.latest.repeat == 1


def test_the_second_half_of_a_stride_is_not_tried_in_the_time_that_confirms_the_first(tmp_path: Path) -> None:
    """The first half is won, and the second one is what had spoiled the whole."""

    def effect(setting: Setting) -> float:
        graphs, large = setting.args.get("enforce-eager") is not True, setting.args["max-num-seqs"] > 64
        return (1.8 if graphs else 1.0) * (0.5 if large else 1.0)

    source = Simulated(effect)
    climb(tmp_path, source, space(tmp_path, VLLM), way="strides", budget_s=5.5 * 60.0)
    assert [ask.repeat for ask in source.asked] == [0, 0, 0, 1, 1]


def test_a_resume_without_time_ends_where_the_session_before_did(tmp_path: Path) -> None:
    """What is in the journal costs nothing: the half that was won once the second stride had failed is won again."""

    def effect(setting: Setting) -> float:
        graphs, fp8 = setting.args.get("enforce-eager") is not True, setting.args.get("quantization") == "fp8"
        cache = str(setting.args.get("kv-cache-dtype", "auto")) != "auto"
        return (1.8 if graphs else 1.0) * (1.5 if fp8 else 1.0) * (0.3 if cache else 1.0)

    where, source = space(tmp_path, VLLM), Simulated(effect)
    whole = climb(tmp_path, source, where, way="strides", budget_s=9 * 60.0)
    assert whole.present.setting.args["quantization"] == "fp8"
    made = len(source.asked)
    again = climb(tmp_path, source, where, way="strides", budget_s=1.0)
    assert len(source.asked) == made
    assert again.present.setting == whole.present.setting
    assert again.present.trials == whole.present.trials


def test_a_winner_that_new_starts_do_not_bear_out_is_none(tmp_path: Path) -> None:
    source = Simulated(nothing)
    lucky = source.run

    def run(ask: Ask) -> Trial:
        """The first start of anything but the baseline is a third faster than it should be."""
        made = lucky(ask)
        if ask.repeat or ask.setting == source.asked[0].setting or made.score is None:
            return made
        return msgspec.structs.replace(made, score=msgspec.structs.replace(made.score, value=made.score.value * 1.33))

    source.run = run  # type: ignore[method-assign]
    climbed = climb(tmp_path, source, space(tmp_path, VLLM), way="strides", budget_s=8 * 60.0)
    assert climbed.present.setting == climbed.baseline.setting


def test_a_stride_that_fails_is_split_until_the_culprit_is_left_out(tmp_path: Path) -> None:
    def fails(setting: Setting) -> Failure | None:
        large = setting.args.get("max-num-seqs", 0) > 64
        return Failure(kind="out of memory", why="CUDA out of memory") if large else None

    def effect(setting: Setting) -> float:
        return 1.0 if setting.args.get("enforce-eager") is True else 1.8

    source = Simulated(effect, fails=fails)
    climbed = climb(tmp_path, source, space(tmp_path, VLLM), way="strides")
    assert "enforce-eager" not in climbed.present.setting.args
    assert climbed.present.setting.args["max-num-seqs"] == 64
    failed = [ask for ask in source.asked if ask.setting.args["max-num-seqs"] > 64]
    assert len(failed) <= 4, "what one failure forbids is not tried again in other words"


def test_nothing_is_tried_that_lint_rejects(tmp_path: Path) -> None:
    t4 = VLLM.replace("h100", "t4").replace("bfloat16", "float16")
    source = Simulated(nothing)
    climb(tmp_path, source, space(tmp_path, t4), way="strides")
    for ask in source.asked:
        assert "quantization" not in ask.setting.args
        assert not str(ask.setting.args.get("kv-cache-dtype", "")).startswith("fp8")


def test_a_ladder_that_is_resumed_makes_no_trial_twice_and_ends_alike(tmp_path: Path) -> None:
    where = space(tmp_path)
    whole = Simulated(by_sequences(0.2))
    at_once = climb(tmp_path / "whole", whole, where)
    made: list[tuple[str, int]] = []
    source = Simulated(by_sequences(0.2))
    for _session in range(30):
        before = len(source.asked)
        climbed = climb(tmp_path / "parts", source, where, budget_s=130.0)
        made += [(ask.setting.digest, ask.repeat) for ask in source.asked[before:]]
        if climbed.finished:
            break
    assert climbed.finished
    assert len(made) == len(set(made)) == len(whole.asked)
    assert climbed.present.setting == at_once.present.setting


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    where = space(tmp_path)
    climb(tmp_path, Simulated(nothing), where, budget_s=130.0)
    path = tmp_path / "journal" / NAME
    with path.open("ab") as file:
        file.write(b'{"type":"trial","trial":{"id"')
    source = Simulated(nothing)
    climbed = climb(tmp_path, source, where)
    assert climbed.finished
    assert path.read_bytes().endswith(b"\n")


def test_two_ladders_do_not_write_one_journal(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(StateError):
        Journal(tmp_path)


def test_a_budget_without_room_for_one_trial_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="budget"):
        climb(tmp_path, Simulated(nothing), space(tmp_path), budget_s=1.0)


def test_a_baseline_that_cannot_run_is_told(tmp_path: Path) -> None:
    source = Simulated(nothing, fails=lambda _setting: Failure(kind="ended", why="no such weights"))
    with pytest.raises(RunError, match="no such weights"):
        climb(tmp_path, source, space(tmp_path))


def test_the_search_finds_what_no_single_change_shows(tmp_path: Path) -> None:
    """Two flags that help together and hurt alone: the ladder passes them by, the search does not."""

    def effect(setting: Setting) -> float:
        many = setting.args.get("max_sequences", 4) == 16
        one = setting.args.get("threads", 2) == 1
        return 1.3 if many and one else 0.9 if many or one else 1.0

    where = space(tmp_path)
    plain = climb(tmp_path / "plain", Simulated(effect), where)
    assert plain.present.setting == where.baseline()
    found = climb(tmp_path / "searched", Simulated(effect), where, search=12)
    assert (found.present.setting.args["max_sequences"], found.present.setting.args["threads"]) == (16, 1)
