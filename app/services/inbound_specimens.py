"""Which specimen a result is of, by what is stored: one key for each, and one subject.

A sender may name specimens by their accession number alone, or by that and the collection time;
whichever way a specimen was filed first, what is said about it later goes to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, and_, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.sender_profile import SpecimenBy
from app.domain.vocabulary import LabStatus
from app.models import LabResult
from app.services.lab_history import Candidate
from app.services.lab_recording import specimen_of
from app.services.lab_versions import is_current

_STANDS = and_(LabResult.status != LabStatus.ENTERED_IN_ERROR, is_current(LabResult, None))
_STORED = (
    select(
        LabResult.subject_id, LabResult.specimen, LabResult.collected_at, _STANDS.label("stands")
    )
    .where(
        LabResult.study_id == bindparam("study_id"),
        LabResult.source == bindparam("source"),
        LabResult.specimen == any_(bindparam("specimens", type_=ARRAY(Text))),
    )
    .distinct()
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A specimen as its sender names it, and the subject whom it is said to be of."""

    subject_id: UUID
    accession: str
    collected_at: datetime

    @property
    def apart(self) -> str:
        """Give the key of this specimen where its number may be used again."""
        by = SpecimenBy.ACCESSION_AND_COLLECTION
        return specimen_of(self.accession, self.collected_at, by)


class StoredSpecimens:
    """What is stored of the specimens that some results may be of."""

    def __init__(self, collected: Mapping[str, set[tuple[UUID, datetime, bool]]]) -> None:
        self._collected = collected

    def key(self, drawn: Drawn, usual: str) -> str:
        """Return the key under which a specimen is stored, `usual` where it is not."""
        own = drawn.subject_id
        if any(subject_id == own for subject_id, _, _ in self._collected.get(drawn.apart, ())):
            return drawn.apart
        times = {at for who, at, _ in self._collected.get(drawn.accession, ()) if who == own}
        return drawn.accession if drawn.collected_at in times else usual

    def is_of_another(self, drawn: Drawn) -> bool:
        """Tell whether a result of the same number and time stands under another subject."""
        return any(
            stands and at == drawn.collected_at and subject_id != drawn.subject_id
            for key in (drawn.accession, drawn.apart)
            for subject_id, at, stands in self._collected.get(key, ())
        )


async def stored_specimens(
    session: AsyncSession, study_id: UUID, source: str, drawn: Collection[Drawn]
) -> StoredSpecimens:
    """Find by one query what is stored of any number of specimens of a sender."""
    collected: defaultdict[str, set[tuple[UUID, datetime, bool]]] = defaultdict(set)
    specimens = {key for each in drawn for key in (each.accession, each.apart)}
    if specimens:
        given = {"study_id": study_id, "source": source, "specimens": list(specimens)}
        for row in await session.execute(_STORED, given):
            collected[row.specimen].add((row.subject_id, row.collected_at, row.stands))
    return StoredSpecimens(collected)


@dataclass(frozen=True, slots=True)
class SortedOut:
    """Candidates by position, each under its specimen's key, and those that are not to be filed."""

    own: dict[int, Candidate]
    of_another: frozenset[int]


async def sort_out(
    session: AsyncSession, study_id: UUID, candidates: Mapping[int, Candidate]
) -> SortedOut:
    """Put the candidates of one sender under the keys of their specimens.

    Those of a specimen that is another subject's, stored or in the same delivery, are set apart; a
    withdrawal never is.
    """
    drawn = {
        at: Drawn(each.row["subject_id"], each.row["accession"], each.row["collected_at"])
        for at, each in candidates.items()
        if each.row["accession"]
    }
    source = next((each.row["source"] for each in candidates.values()), "")
    stored = await stored_specimens(session, study_id, source, set(drawn.values()))
    claims = {at: each for at, each in drawn.items() if not _withdraws(candidates[at])}
    shared = _shared(claims.values())
    of_another = frozenset(
        at for at, each in claims.items() if each.apart in shared or stored.is_of_another(each)
    )
    own = {at: each for at, each in candidates.items() if at not in of_another}
    for at in own.keys() & drawn.keys():
        row = own[at].row
        own[at] = replace(own[at], row={**row, "specimen": stored.key(drawn[at], row["specimen"])})
    return SortedOut(own, of_another)


def _withdraws(candidate: Candidate) -> bool:
    return LabStatus(candidate.row["status"]) is LabStatus.ENTERED_IN_ERROR


def _shared(claims: Iterable[Drawn]) -> set[str]:
    """Find the specimens that one delivery gives to several subjects."""
    subjects: defaultdict[str, set[UUID]] = defaultdict(set)
    for each in claims:
        subjects[each.apart].add(each.subject_id)
    return {key for key, said in subjects.items() if len(said) > 1}
