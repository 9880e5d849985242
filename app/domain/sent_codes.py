"""Which analyte a result reports: by its local code in the sender's profile, or a public one.

Only system and code together say what was measured. Names, and a code under another system, never
do: a coding system may be called `PLT`, and `PCT` is procalcitonin here and plateletcrit there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.domain.analytes import Analyte, find_analyte, find_analyte_by_loinc
from app.domain.code_systems import ANALYTE_KEYS, LOINC
from app.domain.errors import invalid
from app.domain.inbound import InboxReason
from app.domain.sender_profile import SenderProfile
from app.domain.sent_results import SentCode
from app.domain.sent_texts import said


def read_analyte(
    codes: Iterable[SentCode], panel: SentCode | None, profile: SenderProfile
) -> Analyte:
    """Find the one analyte that all codes agree on; raise invalid `unmapped_`/`ambiguous_code`."""
    ordered = said(panel.code) if panel else ""
    found = {
        analyte.key: analyte
        for code in codes
        for analyte in _analytes(said(code.system), said(code.code), ordered, profile)
    }
    if not found:
        raise invalid(
            InboxReason.UNMAPPED_CODE,
            "No analyte is known for this code; map it for this sender, or reject the result.",
        )
    if len(found) > 1:
        raise invalid(
            InboxReason.AMBIGUOUS_CODE,
            "The codes of this result stand for different analytes; ask the laboratory.",
        )
    return next(iter(found.values()))


def _analytes(system: str, code: str, panel: str, profile: SenderProfile) -> Iterator[Analyte]:
    """Give every analyte that a code stands for; a mapping for the panel precedes one for all."""
    mappings = profile.code_index.get((system, code), ())
    narrow = [each for each in mappings if each.panel == panel]
    for mapping in narrow or [each for each in mappings if each.panel is None]:
        mapped = find_analyte(mapping.analyte)
        if mapped is not None:
            yield mapped
    by_catalogue = _find_public(system, code)
    if by_catalogue is not None:
        yield by_catalogue


def _find_public(system: str, code: str) -> Analyte | None:
    if system in LOINC:
        return find_analyte_by_loinc(code)
    return find_analyte(code) if system == ANALYTE_KEYS else None
