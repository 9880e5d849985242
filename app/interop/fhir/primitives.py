"""Small parts of served resources: codes, references, quantities, times, and their identity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.core.serialization import digest
from app.domain.vocabulary import TimePrecision
from app.interop.fhir.terms import UCUM, subject_number_system

Resource = dict[str, Any]
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


def is_id(text: str) -> bool:
    """Tell whether a text is an id of R4."""
    return _ID.fullmatch(text) is not None


def present(**elements: Any) -> Resource:
    """Return the elements that say something; an empty element may not be sent."""
    return {name: value for name, value in elements.items() if value not in (None, "", [], {})}


def concept(system: str, code: str, shown: str = "") -> Resource:
    """Return a CodeableConcept with one coding."""
    return {"coding": [present(system=system, code=code, display=shown)]}


def quantity(value: Decimal | None, unit: str | None, comparator: str | None = None) -> Resource:
    """Return a Quantity in UCUM, empty without a value."""
    if value is None:
        return {}
    return present(value=value, comparator=comparator, unit=unit, system=UCUM, code=unit)


def patient(key: str, subject_id: UUID, number: str) -> Resource:
    """Return a reference to a subject, which names its number, too."""
    return {
        "reference": f"Patient/{subject_id}",
        "type": "Patient",
        "identifier": {"system": subject_number_system(key), "value": number},
    }


def study_id(study_key: str) -> str:
    """Return a study's key as an R4 id, which holds no underscore; a key holds no dot."""
    return study_key.replace("_", ".")


def study_key(resource_id: str) -> str:
    """Return the key that an id of a study stands for."""
    return resource_id.removeprefix("ResearchStudy/").replace(".", "_")


def study(key: str) -> Resource:
    """Return a reference to a study."""
    return {"reference": f"ResearchStudy/{study_id(key)}"}


def instant(at: datetime | None) -> str | None:
    """Write an instant."""
    return at.isoformat() if at else None


def moment(at: datetime, precision: TimePrecision, zone: tzinfo) -> str:
    """Write a time in the study's zone, as precisely as it was told and R4 can say."""
    local = at.astimezone(zone)
    return local.date().isoformat() if precision is TimePrecision.DAY else local.isoformat()


def extension(url: str, texts: Mapping[str, str | None]) -> list[Resource]:
    """Return an extension that holds texts by name, none where all are missing."""
    parts = [{"url": name, "valueString": text} for name, text in texts.items() if text]
    return [{"url": url, "extension": parts}] if parts else []


def with_digest(resource: Resource) -> Resource:
    """Give a resource that is derived from several records a version that names its content."""
    meta = {"versionId": digest(resource)[:16], **resource.get("meta", {})}
    return {**resource, "meta": meta}
