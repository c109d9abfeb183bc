"""Claims about the table of vLLM's flags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.config.flags import lifetime, number, release, releases, stored_table
from forebay.core.errors import ConfigError


@pytest.mark.parametrize(
    ("version", "flag", "exists"),
    [
        ("0.30.0", "--log-level", False),
        ("0.31.0", "--log-level", True),
        ("0.17.0", "--swap-space", True),
        ("0.18.0", "--swap-space", False),
        ("0.17.0", "--shutdown-timeout", False),
        ("0.18.0", "--shutdown-timeout", True),
        ("0.33.0", "--max-num-seqs", True),
    ],
)
def test_a_flag_exists_in_its_releases_alone(version: str, flag: str, exists: bool) -> None:
    assert (flag in release(version)) is exists


def test_a_patch_release_has_the_flags_of_its_minor() -> None:
    assert release("0.32.7").version == "0.32.0"
    assert release("0.32.7").flags == release("0.32.0").flags


@pytest.mark.parametrize("version", ["0.10.2", "0.34.0", "1.0.0"])
def test_a_release_outside_the_table_is_refused_with_the_range(version: str) -> None:
    with pytest.raises(ConfigError, match=r"0\.11\.0 to 0\.33\.0"):
        release(version)


@pytest.mark.parametrize(
    ("written", "flag", "negated", "abbreviated"),
    [
        ("--max-num-seqs", "--max-num-seqs", False, False),
        ("max_num_seqs", "--max-num-seqs", False, False),
        ("--max_num_seq", "--max-num-seqs", False, True),
        ("-tp", "--tensor-parallel-size", False, False),
        ("--no-enable-prefix-caching", "--enable-prefix-caching", True, False),
        ("--disable-prefix-caching", "--enable-prefix-caching", True, False),
        ("--compilation-config.pass_config.fuse_norm_quant", "--compilation-config", False, False),
    ],
)
def test_every_spelling_that_vllm_takes_is_read(written: str, flag: str, negated: bool, abbreviated: bool) -> None:
    found = release("0.33.0").find(written)
    assert found is not None
    assert (found.flag.name, found.negated, found.abbreviated) == (flag, negated, abbreviated)


@pytest.mark.parametrize("written", ["--max-num", "--nonsense", "--max-num-seqs.key", "-zz", "", "--"])
def test_what_vllm_refuses_is_not_found(written: str) -> None:
    assert release("0.33.0").find(written) is None


def test_the_second_negative_form_came_with_0_33() -> None:
    assert release("0.32.0")["--enable-prefix-caching"].negative == ("--no-enable-prefix-caching",)
    assert "--disable-prefix-caching" in release("0.33.0")["--enable-prefix-caching"].negative


def test_a_misspelt_flag_finds_the_nearest() -> None:
    assert release("0.33.0").nearest("--max-num-sqes") == "--max-num-seqs"
    assert release("0.33.0").nearest("--zzzz") is None


@pytest.mark.parametrize(
    ("version", "gone", "successor"),
    [
        ("0.32.0", "--swap-space", "--kv-offloading-size"),
        ("0.30.0", "--log-level", "VLLM_LOGGING_LEVEL"),
        ("0.20.0", "--disable-log-requests", None),
        ("0.13.0", "--task", "--runner"),
        ("0.11.0", "--kv-offloading-size", "--swap-space"),
    ],
)
def test_a_missing_flag_names_its_successor(version: str, gone: str, successor: str | None) -> None:
    assert release(version).successor(gone) == successor


def test_every_successor_exists_somewhere() -> None:
    for version in releases():
        for name in stored_table().flags:
            new = release(version).successor(name)
            assert new is None or new.isupper() or new in release(version)


def test_a_lifetime_has_the_first_and_the_last_release() -> None:
    assert lifetime("--swap-space") == ("0.11.0", "0.17.0")
    assert lifetime("swap_space") == ("0.11.0", "0.17.0")
    assert lifetime("--never-was") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("1k", 1000),
        ("1K", 1024),
        ("25.6k", 25_600),
        ("2M", 2 * 1024**2),
        ("-1", -1),
        ("9" * 30 + "k", int("9" * 30) * 1000),
    ],
)
def test_counts_are_read_as_vllm_reads_them(text: str, value: int) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "k", "1.5K", "1.5", "1kk", "1e3", "0x10"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"count|fraction"):
        number(text)


@given(st.sampled_from(releases()), st.data())
def test_every_flag_is_found_by_every_spelling_of_its_own(version: str, data: st.DataObject) -> None:
    known = release(version)
    flag = known[data.draw(st.sampled_from(sorted(known.flags)))]
    for written in (flag.name, flag.name.replace("-", "_").replace("__", "--", 1), *flag.aliases):
        found = known.find(written)
        assert found is not None
        assert (found.flag, found.negated) == (flag, False)
    for written in flag.negative:
        found = known.find(written)
        assert found is not None
        assert found.negated or found.flag.name == written


@given(st.text(max_size=40))
def test_no_text_breaks_a_lookup(written: str) -> None:
    known = release("0.33.0")
    known.find(written)
    known.nearest(written)
    known.successor(written)
