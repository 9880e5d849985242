"""Who may do what: the role matrix as one table, the only place that says so."""

from __future__ import annotations

from enum import StrEnum

from app.domain.vocabulary import Role


class Area(StrEnum):
    """What a right is about."""

    STUDY = "study"
    PROTOCOL = "protocol"
    REFERENCE = "reference"
    SCREENING = "screening"
    COHORT = "cohort"
    DOSE_ORDER = "dose_order"
    PRODUCT = "product"
    INFUSION = "infusion"
    LABORATORY = "laboratory"
    REFERENCE_RANGE = "reference_range"
    CARE = "care"
    DEVIATION = "deviation"
    QUERY = "query"
    SOURCE_VERIFICATION = "source_verification"
    ADVERSE_EVENT = "adverse_event"
    SAFETY_REPORT = "safety_report"
    REFERENCE_SAFETY = "reference_safety"
    DLT = "dlt"
    RESPONSE = "response"
    ESCALATION = "escalation"
    METRICS = "metrics"
    AUDIT = "audit"
    IDENTITY = "identity"
    INITIALS = "initials"
    DISCLOSURE = "disclosure"
    SENDER = "sender"
    INBOX = "inbox"
    GRANT = "grant"
    SIGNATURE = "signature"
    SECURITY = "security"
    CASEBOOK = "casebook"
    SEAL = "seal"
    REDACTION = "redaction"
    EXPORT = "export"
    DATA_CUT = "data_cut"


class Right(StrEnum):
    """What may be done in an area; signing covers every decision that binds."""

    READ = "R"
    CREATE = "C"
    UPDATE = "U"
    SIGN = "S"


_PI, _SUB, _CRC = Role.PRINCIPAL_INVESTIGATOR, Role.SUB_INVESTIGATOR, Role.STUDY_COORDINATOR
_DM, _CRA, _CELL = Role.DATA_MANAGER, Role.MONITOR, Role.CELL_LABORATORY
_LIS, _SPONSOR, _DMC = Role.LABORATORY_SYSTEM, Role.SPONSOR, Role.SAFETY_COMMITTEE
_AUDITOR, _ADMIN = Role.AUDITOR, Role.ADMINISTRATOR
_CLINICAL = dict.fromkeys((_PI, _SUB, _CRC, _DM, _CRA, _DMC, _AUDITOR), "R")

MATRIX: dict[Area, dict[Role, str]] = {
    Area.STUDY: dict.fromkeys(Role, "R") | {_ADMIN: "RC"},
    Area.PROTOCOL: dict.fromkeys(Role, "R") | {_PI: "RS", _DM: "RC", _LIS: ""},
    Area.REFERENCE: dict.fromkeys(Role, "R"),
    Area.SCREENING: {
        _PI: "RCUS", _SUB: "RCUS", _CRC: "RCU", _DM: "R", _CRA: "R", _AUDITOR: "R",
    },
    Area.COHORT: {
        _PI: "RCS", _SUB: "RC", _CRC: "RC", _DM: "R", _CRA: "R", _CELL: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.DOSE_ORDER: {
        _PI: "RCS", _SUB: "RCS", _CRC: "R", _DM: "R", _CRA: "R", _CELL: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.PRODUCT: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "R", _CRA: "R", _CELL: "RCUS", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.INFUSION: {
        _PI: "RCUS", _SUB: "RCUS", _CRC: "RCU", _DM: "R", _CRA: "R", _CELL: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.LABORATORY: {
        _PI: "RCU", _SUB: "R", _CRC: "RCU", _DM: "R", _CRA: "R", _CELL: "R", _LIS: "C",
        _DMC: "R", _AUDITOR: "R",
    },
    Area.REFERENCE_RANGE: _CLINICAL | {_CRC: "RC", _DM: "RC", _CELL: "R"},
    Area.CARE: {
        _PI: "RCU", _SUB: "RCU", _CRC: "RCU", _DM: "R", _CRA: "R", _DMC: "R", _AUDITOR: "R",
    },
    Area.DEVIATION: {
        _PI: "RCU", _SUB: "RCU", _CRC: "RCU", _DM: "R", _CRA: "R", _DMC: "R", _AUDITOR: "R",
    },
    Area.QUERY: {
        _PI: "RU", _SUB: "RU", _CRC: "RU", _DM: "RCU", _CRA: "RCU", _CELL: "RU", _AUDITOR: "R",
    },
    Area.SOURCE_VERIFICATION: {_CRA: "RC", _AUDITOR: "R"},
    Area.ADVERSE_EVENT: {
        _PI: "RCU", _SUB: "RCU", _CRC: "RCU", _DM: "R", _CRA: "R", _CELL: "C", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.SAFETY_REPORT: _CLINICAL | dict.fromkeys((_PI, _SUB, _CRC), "RC"),
    Area.REFERENCE_SAFETY: _CLINICAL | {_PI: "RCS", _DM: "RC"},
    Area.DLT: {_PI: "RS", _SUB: "RS", _CRC: "R", _DM: "R", _CRA: "R", _DMC: "R", _AUDITOR: "R"},
    Area.RESPONSE: {
        _PI: "RS", _SUB: "RS", _CRC: "R", _DM: "R", _CRA: "R", _DMC: "R", _AUDITOR: "R",
    },
    Area.ESCALATION: {_PI: "RC", _DMC: "RCS", _AUDITOR: "R"},
    Area.METRICS: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "R", _CRA: "R", _SPONSOR: "R", _DMC: "R",
        _AUDITOR: "R",
    },
    Area.AUDIT: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "R", _CRA: "R", _CELL: "R", _AUDITOR: "R",
    },
    Area.IDENTITY: {_PI: "R", _SUB: "R", _CRC: "RCU"},
    Area.INITIALS: {_PI: "R", _SUB: "R", _CRC: "R", _CELL: "R"},
    Area.DISCLOSURE: {_CRA: "C", _AUDITOR: "C"},
    Area.SENDER: {
        _PI: "R", _SUB: "R", _CRC: "R", _DM: "RCU", _CRA: "R", _AUDITOR: "R", _ADMIN: "RCU",
    },
    Area.INBOX: {_PI: "RU", _SUB: "RU", _CRC: "RU", _DM: "RU", _CRA: "R", _AUDITOR: "R"},
    Area.GRANT: {_AUDITOR: "R", _ADMIN: "RCU"},
    Area.SIGNATURE: {
        _PI: "RS", _SUB: "RS", _CRC: "R", _DM: "RS", _CRA: "R", _CELL: "RS", _DMC: "RS",
        _AUDITOR: "R",
    },
    Area.SECURITY: {_AUDITOR: "R", _ADMIN: "RU"},
    Area.CASEBOOK: {
        _PI: "RS", _SUB: "R", _CRC: "R", _DM: "RCUS", _CRA: "R", _AUDITOR: "R",
    },
    Area.SEAL: {
        _PI: "R", _SUB: "R", _DM: "R", _CRA: "R", _CELL: "R", _DMC: "R", _AUDITOR: "R",
    },
    Area.REDACTION: {_PI: "RS", _DM: "RC", _AUDITOR: "R"},
    Area.EXPORT: {_PI: "R", _DM: "R", _AUDITOR: "R"},
    Area.DATA_CUT: {_PI: "RC", _DM: "RC", _DMC: "RC", _AUDITOR: "R"},
}  # fmt: skip


def allows(role: Role, area: Area, right: Right) -> bool:
    """Tell whether the matrix gives a role a right in an area."""
    return right.value in MATRIX[area].get(role, "")


def roles_with(area: Area, right: Right) -> list[Role]:
    """List the roles that the matrix gives a right in an area."""
    return [role for role in Role if allows(role, area, right)]
