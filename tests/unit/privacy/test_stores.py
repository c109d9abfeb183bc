"""forebay knows where it keeps something of people, and every such place can be declared."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import asdict

from forebay.config.schema import Config
from forebay.config.schema.processing import StoreName
from forebay.observe.anomaly.usual import Usual
from forebay.observe.log import AccessLine
from forebay.privacy.declared import gaps
from forebay.privacy.stores import STORES, bound_s, kept_of_people, log_span_s
from forebay.store import state_dir

EVERY = {
    "audit": {"enabled": True},
    "watch": {"enabled": True},
    "limits": {"key": {"usd_per_day": 1}},
    "processing": {
        "calls": "ads",
        "purposes": {"ads": {"why": "To sell", "basis": "consent"}},
    },
}
# What lies in the state directory and holds nothing that anybody said or was told, by the name that it has there.
OF_NOBODY = {
    "run/<unit>.json", "run/<worker>.ack", "run/embedder.sock", "run/audit.sock", "run/watch.sock", "run/status.json",
    "run/<unit>.standby", "leader", "edge/", "tls/", "discovered.json", "running.json", "owner", "run/owner", "pepper",
    "compliance/", "acme/", "erased", "machine",
}  # fmt: skip


def configuration(models: dict[str, object], **sections: object) -> Config:
    return Config.model_validate({"version": 1, "models": models, **sections})


def config(**sections: object) -> Config:
    return configuration({"m": {"engines": [{"kind": "embedded"}]}}, **sections)


def test_every_store_of_people_can_be_declared_and_no_other() -> None:
    assert set(get_args(StoreName)) == {name for name, store in STORES.items() if store.personal}


def test_every_place_of_the_state_directory_is_a_store_or_of_nobody() -> None:
    text = state_dir.__doc__ or ""
    written = (line.partition("  ")[0] for line in text.splitlines()[2:] if line and not line.startswith(" "))
    places = {place for names in written for place in names.split(", ")}
    known = {place.strip() for store in STORES.values() for place in store.place.split(",")}
    unknown = {each for each in places - OF_NOBODY if not any(each.startswith(place) for place in known)}
    assert not unknown, "say in privacy/stores.py what is kept there of people, or here that nothing is"


def test_what_of_a_call_is_of_a_person_is_what_the_log_writes() -> None:
    assert set(STORES["access_log"].personal) <= {*AccessLine.__struct_fields__}


def test_what_habits_tell_of_a_caller_is_known() -> None:
    learned = {name for name, value in asdict(Usual()).items() if isinstance(value, dict)}
    assert set(STORES["habits"].personal) == learned | {"key_id"}


def test_a_store_that_is_off_needs_no_declaration() -> None:
    assert set(kept_of_people(config())) == {"access_log", "idempotency", "keys"}
    assert {"audit_log", "consents", "habits", "spending"} <= set(kept_of_people(config(**EVERY)))
    assert "access_log" not in kept_of_people(config(observe={"log": {"access": False}}))


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ({"stores": {"keys": {"purpose": "p", "fields": ["name"], "retention": "30d"}}}, "these fields, too"),
        (
            {"stores": {"idempotency": {"purpose": "p", "fields": ["answer"], "retention": "10m"}}},
            "keeps for 1h what is declared to be kept for 10m",
        ),
    ],
)
def test_what_is_declared_otherwise_than_it_is_kept_is_told(sections: dict[str, object], why: str) -> None:
    made = config(processing={"purposes": {"p": {"why": "w", "basis": "contract"}}, **sections})
    assert [gap for gap in gaps(made) if why in gap.why and not gap.missing]


def test_a_tenant_of_one_region_is_kept_nowhere_else() -> None:
    said = {"purpose": "p", "fields": ["answer"], "retention": "1d"}
    processing = {"purposes": {"p": {"why": "w", "basis": "contract"}}, "stores": {"idempotency": said}}
    models = {"m": {"engines": [{"kind": "external", "url": "http://10.0.0.1:1", "region": "cn"}]}}
    bound = configuration(models, tenants={"bank": {"region": "cn"}}, processing=processing)
    assert [gap.path[-1] for gap in gaps(bound) if not gap.missing] == ["region"]
    said["region"] = "cn"
    bound = configuration(models, tenants={"bank": {"region": "cn"}}, processing=processing)
    assert not [gap for gap in gaps(bound) if not gap.missing]


def test_a_log_file_is_written_for_a_part_of_its_retention(tmp_path: Path) -> None:
    said = {"purpose": "p", "fields": list(STORES["access_log"].personal), "retention": "6d"}
    made = config(processing={"purposes": {"p": {"why": "w", "basis": "contract"}}, "stores": {"access_log": said}})
    assert (log_span_s(config()), log_span_s(made)) == (0.0, 86_400.0)
    assert bound_s(made, "access_log") == 6 * 86_400.0
