"""Whether personal data is found and kept from engines and answers."""

from __future__ import annotations

from forebay.messages import _
from forebay.ops.compliance.run import Outcome, Subject, failed, passed, probes
from forebay.privacy.detector import Detector
from forebay.privacy.recogniser import load
from forebay.privacy.search import spans_of

# Made up, with valid check digits: 居民身份证, a test card of Visa, a telephone number.
_SAMPLE = "身份证 11010519491231002X，卡号 4111 1111 1111 1111，手机 13800138000"
_EXPECTED = 3


@probes.add("masking_on")
def masking_on(subject: Subject) -> Outcome:
    """Requests and answers are searched, for every caller, and what is made up for this is found."""
    privacy = subject.loaded.config.privacy
    if not privacy.enabled:
        return failed(_("nothing is masked"), "privacy.enabled: false", fix=_("Set privacy.enabled to true"))
    known = {name: each for name, each in load().items() if name not in privacy.off}
    found = sorted({span.type for span in spans_of(_SAMPLE, Detector(known, privacy.score))})
    evidence = (f"types looked for: {len(known)}", f"found in a sample: {', '.join(found)}")
    idle = [name for name, way in (("input", privacy.input), ("output", privacy.output)) if way.default == "allow"]
    if idle or len(found) < _EXPECTED:
        fix = _("Let `default` of both directions mask, hash, pseudonymise or block, and `off` be empty")
        return failed(_("not everything is masked"), *evidence, *(f"{name}: allow" for name in idle), fix=fix)
    return passed(_("personal data is found and replaced in both directions"), *evidence)
