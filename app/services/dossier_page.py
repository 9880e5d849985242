"""The dossier as a page to print: the same content as its JSON, in tables."""

from __future__ import annotations

from collections.abc import Iterable

from app.core.html_page import Table, page, words
from app.domain.errors import Reason
from app.domain.what_if import Outlook, WhatIf
from app.schemas.dossier import DossierEvent, DossierMove, DossierSubject, DossierView
from app.schemas.escalation import SupersededView

_EVENT_COLUMNS = (
    "Subject", "Level", "Term", "Worst grade", "Onset", "End", "Relation to cells", "Serious",
    "Dose-limiting", "Why",
)  # fmt: skip


def render(dossier: DossierView) -> str:
    """Write the page; its digest names the JSON that it shows."""
    return page(
        f"Dossier of the safety committee: {dossier.study}",
        (
            _cover(dossier),
            _recommendation(dossier),
            _what_if(dossier),
            _ladder(dossier),
            _subjects(dossier),
            _events("Pending adjudications", dossier.pending_adjudications),
            _events("Severe, serious and possibly dose-limiting events", dossier.events),
            _candidates(dossier),
            _reports(dossier),
            _deviations(dossier),
            _queries(dossier),
            _missing(dossier),
            _moved(dossier),
            _decisions(dossier),
        ),
    )


def _cover(dossier: DossierView) -> Table:
    return Table(
        "What this is",
        (),
        (
            ("Study", dossier.title),
            ("As of", dossier.as_of.isoformat()),
            ("Study day", dossier.study_day),
            ("Protocol version", dossier.protocol_version),
            ("Protocol digest", dossier.protocol_digest),
            ("Digest of the evidence", dossier.ladder.digest),
            ("Digest of this dossier", dossier.digest),
        ),
    )


def _recommendation(dossier: DossierView) -> Table:
    found = dossier.ladder
    return Table(
        "Recommendation",
        (),
        (
            ("Recommended", found.recommendation),
            ("Level", found.level),
            ("Leads to level", found.target_level),
            ("Phase", found.phase),
            ("Because", _messages(found.reasons)),
            ("May be decided now", found.permitted),
            ("Blocked by", tuple(f"{each.level}: {each.message}" for each in found.blocked_by)),
            ("Held by", tuple(each.message for each in found.held_by)),
            ("Warnings", _messages(found.warnings)),
            ("Superseded decisions", _superseded(found.superseded)),
            ("Needs the committee's approval", found.approval_required),
            ("Free places", found.slots_open_now),
            ("Maximum tolerated dose", found.mtd),
            ("Highest tolerated level", found.highest_tolerated),
            ("Admissible decisions", found.admissible_actions),
            ("Design", found.variant),
        ),
    )


def _messages(reasons: Iterable[Reason]) -> tuple[str, ...]:
    return tuple(reason.message for reason in reasons)


def _superseded(found: Iterable[SupersededView]) -> tuple[str, ...]:
    return tuple(
        f"Round {each.round} ({words(each.action)}): {each.reason.message}" for each in found
    )


def _what_if(dossier: DossierView) -> Table:
    numbers = {
        str(each.subject_id): each.subject_number
        for level in dossier.levels
        for each in level.subjects
    }
    terms = {str(each.adverse_event_id): each.term for each in dossier.pending_adjudications}

    def row(case: WhatIf) -> tuple[object, ...]:
        return (
            case.supposition,
            tuple(numbers[each] for each in case.subject_ids),
            terms.get(case.adverse_event_id or ""),
            case.day,
            _step(case.outlook),
            _messages(case.outlook.reasons),
            case.outlook.undosed_levels,
            tuple(each.replace("_", " ") for each in case.changes),
        )

    return Table(
        "What would change it",
        (
            "If", "Subjects", "Event", "On", "Then", "Because", "Levels not to be dosed",
            "Changes",
        ),
        tuple(row(case) for case in dossier.what_if),
    )  # fmt: skip


def _step(outlook: Outlook) -> str:
    """Say a step in one line."""
    step = words(outlook.recommendation)
    if outlook.level:
        step += f", level {outlook.level}"
    if outlook.target_level:
        step += f" to {outlook.target_level}"
    return step if outlook.permitted else f"{step} (not yet permitted)"


def _ladder(dossier: DossierView) -> Table:
    return Table(
        "Ladder",
        (
            "Level", "Status", "Evaluable", "With DLT", "In window", "Unresolved", "Not dosed",
            "Not evaluable", "Open items", "Needed", "Capacity", "Dosing blocked",
        ),
        tuple(
            (
                each.level, each.status, each.tally.evaluable, each.tally.dlts,
                each.tally.in_window, each.tally.unresolved, each.tally.enrolled_not_dosed,
                each.tally.not_evaluable, each.tally.open_items, each.required, each.capacity,
                each.dosing_blocked,
            )
            for each in dossier.ladder.ladder
        ),
    )  # fmt: skip


def _subjects(dossier: DossierView) -> Table:
    def window(subject: DossierSubject) -> tuple[object, object]:
        found = subject.window
        if found is None:
            return None, None
        end = found.end_day or f"{found.projected_end_day} (projected)"
        return found.start_day, end

    return Table(
        "Subjects and their windows",
        (
            "Level", "Phase", "Place", "Subject", "State", "DLT", "Open items", "Window from",
            "Window to", "Infusions", "Left", "Why",
        ),
        tuple(
            (
                level.level, level.phase, each.slot, each.subject_number, each.state,
                each.has_dlt, each.open_items, *window(each),
                f"{each.infusions_given} of {each.infusions_planned}",
                tuple(f"{words(exit_.event)} {exit_.day}" for exit_ in each.exits),
                _messages(each.reasons),
            )
            for level in dossier.levels
            for each in level.subjects
        ),
    )  # fmt: skip


def _events(heading: str, events: Iterable[DossierEvent]) -> Table:
    return Table(
        heading,
        _EVENT_COLUMNS,
        tuple(
            (
                each.subject_number, each.dose_level, each.term, each.worst_grade, each.onset_day,
                each.end_day, each.causality, each.seriousness, each.dlt.state,
                _messages(each.dlt.reasons),
            )
            for each in events
        ),
    )  # fmt: skip


def _candidates(dossier: DossierView) -> Table:
    return Table(
        "Laboratory abnormalities without an event",
        ("Subject", "Term", "Analyte", "Grade", "Up to", "At baseline", "First seen", "Worst"),
        tuple(
            (
                each.subject_number, each.term, each.analyte, each.grade, each.grade_max,
                each.baseline_grade, each.onset_at, each.worst_at,
            )
            for each in dossier.candidates
        ),
    )  # fmt: skip


def _reports(dossier: DossierView) -> Table:
    return Table(
        "Overdue safety reports",
        ("Subject", "Event", "Worst grade", "Report", "Jurisdiction", "Recipient", "Due"),
        tuple(
            (
                each.subject_number, each.term, each.worst_grade, each.kind, each.jurisdiction,
                each.recipient, each.due_at or each.due_day,
            )
            for each in dossier.overdue_reports
        ),
    )  # fmt: skip


def _deviations(dossier: DossierView) -> Table:
    return Table(
        "Deviations from the protocol",
        ("Subject", "Day", "Severity", "What", "Status", "Assessment", "Notes"),
        tuple(
            (
                each.subject_number, each.day, each.severity, each.sentence, each.status,
                each.assessment, tuple(note.text for note in each.notes),
            )
            for each in dossier.deviations
        ),
    )  # fmt: skip


def _queries(dossier: DossierView) -> Table:
    return Table(
        "Open queries",
        ("Subject", "About", "Field", "Asked by", "Status", "Question"),
        tuple(
            (
                each.subject_number, each.record_type.replace("_", " "), each.field, each.origin,
                each.status, each.text,
            )
            for each in dossier.open_queries
        ),
    )  # fmt: skip


def _missing(dossier: DossierView) -> Table:
    return Table(
        "Missing data",
        ("Subject", "What", "In time until"),
        tuple((each.subject_number, each.message, each.day) for each in dossier.missing_data),
    )


def _moved(dossier: DossierView) -> Table:
    return Table(
        "Evidence that moved",
        (
            "What rests on it", "Subject", "Made", "Another conclusion follows", "Moved records",
            "Status", "Concluded",
        ),
        tuple(
            (
                each.title, each.subject_number, each.made_at, each.conclusion_changed,
                tuple(map(_said, each.moved)),
                each.status, each.reviews,
            )
            for each in dossier.evidence_moved
        ),
    )  # fmt: skip


def _said(move: DossierMove) -> str:
    """Say in one line what became of a record, and in which roles it was written."""
    fields = f": {', '.join(move.fields)}" if move.fields else ""
    roles = ", ".join(move.written_as)
    return f"{move.record_type} {move.movement} by {roles}{fields}".replace("_", " ")


def _decisions(dossier: DossierView) -> Table:
    return Table(
        "Decisions",
        ("Round", "Decision", "Level", "Status", "Made", "Rationale", "Verdict's rationale"),
        tuple(
            (
                each.round, each.action, each.dose_level, each.status, each.recorded_at,
                each.rationale, each.verdict_rationale,
            )
            for each in dossier.decisions
        ),
    )  # fmt: skip
