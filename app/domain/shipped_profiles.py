"""The profiles that come with the service, to start from.

No hospital's own codes are in them, because they change from one version of a laboratory system to
the next: each sender maps its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.sender_profile import PATIENT_NUMBERS, SenderProfile

# A plain ORU^R01 of HL7 v2: everything where the standard has it.
_GENERIC_ORU = SenderProfile()

# OUL^R24 as Chinese laboratory systems send it: the unit in the second component of OBX-6, the
# sample's number in SPM-2 or, in older systems, in OBR-2.3, and flags of their own, in which N is
# not normal but negative. A status is not read from OBX-11 of older systems, which put an
# abnormality there (0, 1 or nothing): such a result waits until the sender's profile tells. Types
# of identifiers are numbers: 1 is the national one, 21 the patient's in the hospital. What 25 and
# 51 are differs, so a profile has to name them before they say who somebody is.
_CHINA_OUL_R24 = SenderProfile(
    unit_component=2,
    flags={"M": "N", "N": "NEG", "P": "POS", "Q": "WR"},
    patient_identifier_kinds=(*PATIENT_NUMBERS, "1", "21"),
    accession_fields=("SPM-2", "OBR-2.3", "OBR-3"),
)

SHIPPED_PROFILES: Mapping[str, SenderProfile] = {
    "generic_oru": _GENERIC_ORU,
    "china_oul_r24": _CHINA_OUL_R24,
}
