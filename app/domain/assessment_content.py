"""The keys inside the content of each kind of assessment that the eligibility rules read."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from app.domain.vocabulary import AssessmentKind


class ContentKey(StrEnum):
    """Names inside the content of an assessment; `CONTENT_KEYS` says where each belongs."""

    SCORE = "score"  # whole number 0-5
    QT_MS = "qt_ms"  # above 0
    RR_MS = "rr_ms"  # above 0
    QTCF_MS = "qtcf_ms"  # above 0, as the device or the reader reported it
    BLASTS_PERCENT = "blasts_percent"  # 0-100, by morphology
    FLOW_MRD = "flow_mrd"  # a Finding
    IHC_INFILTRATION = "ihc_infiltration"  # a Finding
    DONOR_PERCENT = "donor_percent"  # 0-100
    RESULT = "result"  # a Finding
    LACTATING = "lactating"  # true or false
    NYHA_CLASS = "nyha_class"  # whole number 1-4; 1 also when there is no heart disease
    FEV1_PERCENT_PREDICTED = "fev1_percent_predicted"  # above 0
    HIV_ANTIBODY = "hiv_antibody"  # this and the following: a Finding each
    TREPONEMAL_ANTIBODY = "treponemal_antibody"
    HBSAG = "hbsag"
    HBCAB = "hbcab"
    HBV_DNA = "hbv_dna"  # positive means above the assay's reference limit
    HCV_RNA = "hcv_rna"  # positive means above the assay's reference limit
    CMV_DNA = "cmv_dna"
    B19_DNA = "b19_dna"


CONTENT_KEYS: Mapping[AssessmentKind, frozenset[ContentKey]] = {
    AssessmentKind.ECOG: frozenset({ContentKey.SCORE}),
    AssessmentKind.ECG: frozenset({ContentKey.QT_MS, ContentKey.RR_MS, ContentKey.QTCF_MS}),
    AssessmentKind.BONE_MARROW: frozenset(
        {ContentKey.BLASTS_PERCENT, ContentKey.FLOW_MRD, ContentKey.IHC_INFILTRATION}
    ),
    AssessmentKind.CHIMERISM: frozenset({ContentKey.DONOR_PERCENT}),
    AssessmentKind.PREGNANCY_TEST: frozenset({ContentKey.RESULT, ContentKey.LACTATING}),
    AssessmentKind.PHYSICAL_EXAMINATION: frozenset(
        {ContentKey.NYHA_CLASS, ContentKey.FEV1_PERCENT_PREDICTED}
    ),
    AssessmentKind.INFECTION_SCREEN: frozenset(
        {
            ContentKey.HIV_ANTIBODY,
            ContentKey.TREPONEMAL_ANTIBODY,
            ContentKey.HBSAG,
            ContentKey.HBCAB,
            ContentKey.HBV_DNA,
            ContentKey.HCV_RNA,
            ContentKey.CMV_DNA,
            ContentKey.B19_DNA,
        }
    ),
}
"""Which keys belong to which kind; all are optional, and the notes above say what each holds."""
