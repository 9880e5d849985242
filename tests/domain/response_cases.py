"""Short ways to write down a subject's facts for tests of response; day 0 is the first infusion."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from app.domain.facts import Disposition, Infusion, LabResult, Medication, Transfusion
from app.domain.quantities import Comparator, Measurement
from app.domain.response import Response, ResponseFacts, derive_response
from app.domain.response_rules import ResponseRules
from app.domain.vocabulary import (
    DispositionEvent,
    LabStatus,
    Lineage,
    MedicationClass,
    TransfusionProduct,
)
from tests.protocol_data import section

RULES = section("response", ResponseRules)
ZONE = timezone(timedelta(hours=8))
LOW = ("0.3", "12", "62")
"""A panel far below every limit: neutrophils, platelets, haemoglobin."""
FAIR = ("0.8", "12", "62")
"""A panel whose neutrophils are a partial response from LOW."""
GOOD = ("1.5", "100", "100")
"""A panel exactly at every limit of complete response."""


def day(number: int) -> date:
    """Give the date of a day counted from the first infusion."""
    return date(2026, 1, 5) + timedelta(days=number)


def moment(number: int, hour: int = 8) -> datetime:
    """Give an instant on a day; infusions start at noon."""
    return datetime(2026, 1, 5, hour, tzinfo=ZONE) + timedelta(days=number)


def measurement(text: str) -> Measurement:
    """Read a number with an optional comparator, such as `<0.1`."""
    for comparator in (Comparator.LE, Comparator.GE, Comparator.LT, Comparator.GT):
        if text.startswith(comparator.value):
            return Measurement(Decimal(text.removeprefix(comparator.value)), comparator)
    return Measurement(Decimal(text))


def lab(
    analyte: str,
    number: int,
    value: str | None,
    *,
    hour: int = 8,
    status: LabStatus = LabStatus.FINAL,
    name: str = "",
) -> LabResult:
    """Make one result; its id says analyte and day."""
    return LabResult(
        id=name or f"{analyte}{number}",
        analyte=analyte,
        measurement=None if value is None else measurement(value),
        at=moment(number, hour),
        day=day(number),
        status=status,
    )


def panel(number: int, anc: str, plt: str, hgb: str) -> tuple[LabResult, ...]:
    """Make a complete blood count."""
    return lab("ANC", number, anc), lab("PLT", number, plt), lab("HGB", number, hgb)


def panels(values: dict[int, tuple[str, str, str]]) -> tuple[LabResult, ...]:
    """Make a low baseline the day before the first infusion, and complete panels by day."""
    return sum((panel(number, *counts) for number, counts in values.items()), panel(-1, *LOW))


def series(analyte: str, values: dict[int, str]) -> tuple[LabResult, ...]:
    """Make results of one analyte by day."""
    return tuple(lab(analyte, number, value) for number, value in values.items())


def infusion(number: int, on_day: int | None, *, cancelled: bool = False) -> Infusion:
    """Make infusion `number`, given at noon of a day or, with None, not given."""
    given = on_day is not None
    return Infusion(
        id=f"inf{number}",
        number=number,
        planned_day=day(7 * (number - 1)),
        planned_cells=Decimal(120_000_000),
        started_at=moment(on_day, 12) if on_day is not None else None,
        day=day(on_day) if on_day is not None else None,
        volume_ml=Decimal(120) if given else None,
        cancelled=cancelled,
    )


def transfusion(number: int, product: str = "red_cells", hour: int = 8) -> Transfusion:
    """Make one transfusion; its id says product and day."""
    return Transfusion(
        id=f"{product}{number}",
        product=TransfusionProduct(product),
        at=moment(number, hour),
        day=day(number),
    )


def medication(
    code: str, start: int, *, hour: int = 8, end: int | None = None, ongoing: bool = False
) -> Medication:
    """Make one medication; its id says class and first day."""
    return Medication(
        id=f"{code}{start}",
        medication_class=MedicationClass(code),
        name=code,
        start_at=moment(start, hour),
        start_day=day(start),
        end_day=None if end is None else day(end),
        ongoing=ongoing,
    )


def disposition(event: str, number: int) -> Disposition:
    """Make one way of leaving; its id says event and day."""
    return Disposition(id=f"{event}{number}", event=DispositionEvent(event), day=day(number))


def facts(*groups, planned: int = 1, infusions: tuple[Infusion, ...] | None = None):
    """Sort facts of any kind into one bundle; by default one infusion was given on day 0."""
    entries = [x for group in groups for x in (group if isinstance(group, tuple) else (group,))]

    def of(kind):
        return tuple(entry for entry in entries if isinstance(entry, kind))

    return ResponseFacts(
        subject_id="subject",
        planned_infusions=planned,
        infusions=(infusion(1, 0),) if infusions is None else infusions,
        labs=of(LabResult),
        transfusions=of(Transfusion),
        medications=of(Medication),
        dispositions=of(Disposition),
    )


def respond(*groups, as_of: int = 400, rules: ResponseRules = RULES, **bundle) -> Response:
    """Derive the response from facts as known on a day."""
    return derive_response(facts(*groups, **bundle), rules, day(as_of))


def lineage_of(response: Response, lineage: Lineage):
    """Pick one lineage of a response."""
    return next(entry for entry in response.lineages if entry.lineage is lineage)


def spans(course) -> list[tuple[int, int | None]]:
    """Show a course as start and end days counted from the first infusion."""
    zero = day(0)
    return [
        ((x.start_day - zero).days, None if x.end_day is None else (x.end_day - zero).days)
        for x in course.episodes
    ]


def category(response: Response, week: int, mode: str = "at", anchor: str = "last") -> str:
    """Give the category of one reading."""
    return endpoint(response, week, mode, anchor).standing.category.value


def endpoint(response: Response, week: int, mode: str = "at", anchor: str = "last"):
    """Pick one reading."""
    return next(
        entry
        for entry in response.endpoints
        if (entry.reading.week, entry.reading.mode, entry.reading.anchor) == (week, mode, anchor)
    )


def simulate(met_by_day, blood_days):
    """Read episodes a second way: day by day, knowing only the state and the test before."""
    found, open_start, last = [], None, None
    for today in range(-10, 60):
        tested, met = today in met_by_day, met_by_day.get(today)
        if open_start is not None and (today in blood_days or (tested and not met)):
            found[-1] = (open_start, today)
            open_start = None
        elif (
            open_start is None
            and (met and last is not None and met_by_day[last])
            and not any(last - 7 < blood <= today for blood in blood_days)
        ):
            open_start = last
            found.append((last, None))
        if tested:
            last = today
    return found
