"""Reports are kept, and a control that was met once is told as long as it is not."""

from __future__ import annotations

from pathlib import Path

from forebay.ops.compliance.kept import Lost, keep, newest
from forebay.ops.compliance.run import Assessed, PackReport, Report, Verdict

TITLE = {"en": "House", "zh": "内部"}


def report(at: float, **verdicts: Verdict) -> Report:
    controls = tuple(
        Assessed(id=name, clause=name, title=TITLE, verdict=verdict, outcomes={}) for name, verdict in verdicts.items()
    )
    pack = PackReport(name="house", title=TITLE, edition="1", controls=controls)
    return Report(service="s", environment="production", assessed_at=at, packs=(pack,))


def test_what_turns_to_fail_is_lost_until_it_is_mended(tmp_path: Path) -> None:
    lost = (Lost("house", "a"),)
    seen = [
        keep(report(1.0, a="pass", b="fail", c="not assessed"), tmp_path, 9).lost,
        keep(report(2.0, a="fail", b="fail", c="fail"), tmp_path, 9).lost,
        keep(report(3.0, a="fail", b="fail", c="fail"), tmp_path, 9).lost,
        keep(report(4.0, a="pass", b="fail", c="fail"), tmp_path, 9).lost,
    ]
    assert seen == [(), lost, lost, ()]  # what never passed was never met


def test_the_newest_reports_stay_and_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    for at in range(5):
        keep(report(float(at), a="pass"), tmp_path, 3)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    files[-1].write_text("{")
    found = newest(tmp_path)
    assert found is not None
    assert found.report.assessed_at == 3.0
    assert newest(tmp_path / "none") is None
