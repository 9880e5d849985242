"""Which entries of the trail somebody is shown: those of the areas that a role of theirs reads.

The auditor reads the whole trail, which the export holds anyway; the cell laboratory what it did
itself. At a site nothing is shown but what is the site's own, or named as belonging to no site.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from app.domain.vocabulary import Role
from app.models import Operation
from app.services.access import Actor
from app.services.role_matrix import Area, Right, roles_with
from app.services.signable import DOCUMENTS
from app.services.site_wall import Sites, changes_of, tables_of_sites

# Every type of record, by the area whose readers read how it came about.
RECORDS_OF: dict[Area, tuple[str, ...]] = {
    Area.STUDY: ("site", "study"),
    Area.PROTOCOL: ("protocol_activation", "protocol_version"),
    Area.SCREENING: ("attestation", "disposition", "subject"),
    Area.COHORT: ("cohort", "enrolment"),
    Area.PRODUCT: ("bag_movement", "product_bag", "product_lot"),
    Area.INFUSION: ("infusion",),
    Area.LABORATORY: ("lab_result",),
    Area.REFERENCE_RANGE: ("range_retraction", "reference_range"),
    Area.CARE: ("assessment", "concomitant_medication", "transfusion"),
    Area.DEVIATION: ("deviation_note", "reported_deviation"),
    Area.QUERY: ("query", "query_message"),
    Area.SOURCE_VERIFICATION: ("source_verification",),
    Area.ADVERSE_EVENT: ("adverse_event", "class_correction", "grade_correction"),
    Area.SAFETY_REPORT: ("follow_up", "safety_report", "safety_retraction"),
    Area.REFERENCE_SAFETY: ("reference_safety_information",),
    Area.DLT: ("dlt_adjudication",),
    Area.ESCALATION: ("decision_verdict", "escalation_decision", "evidence_review"),
    # Who looked at an identity is for whoever reads the trail; the row says nothing of it.
    Area.AUDIT: ("vault_access",),
    Area.IDENTITY: ("person", "subject_identifier"),
    Area.SENDER: ("machine_client", "sender", "sender_key", "sender_profile"),
    Area.INBOX: ("inbound_message", "inbox_item"),
    Area.GRANT: ("grant_confirmation", "grant_end", "principal", "role_grant"),
    Area.SIGNATURE: ("signature",),
    Area.SECURITY: ("security_event",),
    Area.CASEBOOK: ("casebook", "unlock_request", "unlock_verdict"),
    Area.REDACTION: ("redaction", "redaction_request"),
    Area.DATA_CUT: ("data_cut",),
}
_ALL = frozenset(kind for kinds in RECORDS_OF.values() for kind in kinds)
# Who reads of the trail only what they did themselves.
_OWN_ONLY = frozenset({Role.CELL_LABORATORY})
# These judge the ladder of the whole study, wherever they are.
_JUDGES = frozenset({Role.AUDITOR, Role.SAFETY_COMMITTEE})


def shown_entries(actor: Actor, entry: Any, through: Area = Area.AUDIT) -> ColumnElement[bool]:
    """Say which entries of the trail somebody is shown by the roles that open this area."""
    own = select(Operation.id).where(
        Operation.study_id == actor.study_id, Operation.actor_id == actor.principal_id
    )
    shown = [_of_sites(actor, entry, kinds, sites) for sites, kinds in _kinds(actor, through)]
    if _opening(through) & _OWN_ONLY & {*actor.roles}:
        shown.append(entry.operation_id.in_(own))
    if _sites(actor, through, _JUDGES) != frozenset():
        shown.append(entry.record_type.in_(RECORDS_OF[Area.ESCALATION]))
    return and_(or_(false(), *shown), _is_signed_readably(actor, entry, through))


def is_own_only(actor: Actor, through: Area) -> bool:
    """Tell whether somebody reads of the trail only what they did themselves."""
    return _sites(actor, through, frozenset(Role)) == frozenset()


def hidden_kinds(actor: Actor, through: Area = Area.AUDIT) -> frozenset[str]:
    """Name what somebody does not read everywhere in the study."""
    everywhere = (kinds for sites, kinds in _kinds(actor, through) if sites is None)
    return _ALL.difference(*everywhere)


def _kinds(actor: Actor, through: Area) -> list[tuple[Sites | None, frozenset[str]]]:
    """List which types of records somebody reads, by the sites at which they do."""
    found: defaultdict[Sites | None, set[str]] = defaultdict(set)
    for area, kinds in RECORDS_OF.items():
        found[_sites(actor, through, _readers(area))].update(kinds)
    return [(sites, frozenset(kinds)) for sites, kinds in found.items() if sites != frozenset()]


def _of_sites(
    actor: Actor, entry: Any, kinds: frozenset[str], sites: Sites | None
) -> ColumnElement[bool]:
    """Say which entries of some types are shown at some sites, None for the whole study."""
    if sites is None:
        everywhere: ColumnElement[bool] = entry.record_type.in_(sorted(kinds))
        return everywhere
    named: ColumnElement[bool] = entry.record_type.in_(sorted(kinds & tables_of_sites()))
    # Around the session's own sites the wall stands already.
    if sites == actor.site_ids:
        return named
    return and_(named, changes_of(entry.record_type, entry, sites))


def _is_signed_readably(actor: Actor, entry: Any, through: Area) -> ColumnElement[bool]:
    """Say that a signature, whose row holds the document, is on what somebody reads as well."""
    readable = [
        kind
        for kind, signable in DOCUMENTS.items()
        if _sites(actor, through, _readers(signable.area)) != frozenset()
        and (signable.area is not Area.ESCALATION or _judges(actor, through))
    ]
    on = func.jsonb_extract_path_text(entry.new, "record_type")
    return or_(entry.record_type != "signature", on.in_(readable))


def _judges(actor: Actor, through: Area) -> bool:
    """Tell whether somebody is shown the decisions on the ladder with their evidence."""
    everywhere = _sites(actor, through, _readers(Area.ESCALATION)) is None
    return everywhere or _sites(actor, through, _JUDGES) != frozenset()


def _readers(area: Area) -> set[Role]:
    return {*roles_with(area, Right.READ), Role.AUDITOR}


def _opening(through: Area) -> set[Role]:
    return set(roles_with(through, Right.READ))


def _sites(actor: Actor, through: Area, roles: Collection[Role]) -> Sites | None:
    """Return where somebody has one of some roles that open the area; None for everywhere."""
    return actor.sites_as((_opening(through) & set(roles)) - _OWN_ONLY)
