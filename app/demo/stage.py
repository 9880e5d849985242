"""The acts of one subject: screened, enrolled, infused, followed, with events and decisions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from app.demo import values
from app.demo.cast import DATA_CUT_DAY, Event, Part
from app.demo.client import Api, Progress, Refused
from app.domain.vocabulary import Role

PI, CRC = Role.PRINCIPAL_INVESTIGATOR, Role.STUDY_COORDINATOR
CELLS, LIS = Role.CELL_LABORATORY, Role.LABORATORY_SYSTEM
MARKER = "Demonstration CAR-T"
INFUSIONS = {"A": 1, "B": 2, "C": 4}
VISIT_DAYS = (7, 14, 21, 28, 35, 42, 49, 56, 84, 112, 140, 168)


class Stage:
    """Plays parts against the API, with days counted from the first day of the trial."""

    def __init__(self, api: Api, progress: Progress, first: date, seed: int) -> None:
        self.api, self.progress, self.first, self.seed = api, progress, first, seed

    def day(self, number: int) -> str:
        """Return a day of the trial as a date."""
        return (self.first + timedelta(days=number)).isoformat()

    def at(self, number: int, hour: int = 1, minute: int = 0) -> str:
        """Return an instant on a day of the trial; 01:00 UTC is 09:00 in Tianjin."""
        day = self.first + timedelta(days=number)
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC).isoformat()

    def screen(self, part: Part) -> dict[str, Any]:
        """Register and screen a person and answer what only a person can answer."""
        source = values.numbers(self.seed, part)
        screening = part.first_day - 5
        body = {
            "sex": part.sex,
            "birth_year": 1956 + source.randrange(0, 30),
            "childbearing_potential": part.sex == "female",
            "consent_date": self.day(screening - 1),
            "consent_version": "1.0",
            "screening_date": self.day(screening),
            "disease": source.choice(
                ("acute_lymphoblastic_leukemia", "lymphoma", "multiple_myeloma")
            ),
            "car_t_product": MARKER,
            "car_t_date": self.day(screening - 40 - source.randrange(0, 30)),
            "car_t_was_investigational": False,
            "had_allogeneic_transplant": False,
            "has_copd": False,
            "weight_kg": values.weight_kg(source),
            "planned_first_infusion_date": self.day(part.first_day),
        }
        subject = self.api.post("/subjects", body, f"subject-{part.number}", CRC)
        path = f"/subjects/{subject['id']}"
        counts = values.count_results(values.blood_count(part, -2, source))
        self._results(subject, part, part.first_day - 2, counts, "screening-counts")
        self._results(
            subject, part, screening, values.chemistry_results(part), "screening-chemistry"
        )
        for kind, content in values.screening_assessments(part).items():
            near = part.first_day - 3 if kind == "pregnancy_test" else screening
            found = {
                "subject_id": subject["id"],
                "kind": kind,
                "performed_at": self.at(near, 2),
                "content": content,
            }
            self.api.post("/assessments", found, f"{kind}-{part.number}", CRC)
        self._attest(path)
        return subject

    def _attest(self, path: str) -> None:
        """Answer every criterion that the records leave open, as an eligible person would be."""
        for criterion in self.api.get(f"{path}/eligibility")["criteria"]:
            if criterion["permits_entry"] is None:
                answer = {
                    "met": criterion["kind"] == "inclusion",
                    "reason": "Asked and examined at screening.",
                }
                self.api.put(f"{path}/eligibility/{criterion['id']}", answer, PI)

    def fail(self, part: Part) -> None:
        """Screen somebody who is not eligible, and close the screening with the reason."""
        subject = self.screen(part)
        path = f"/subjects/{subject['id']}"
        found = self.api.get(f"{path}/eligibility")
        left = {
            "event": "screen_failed",
            "event_date": self.day(part.first_day - 1),
            "reason": f"Not eligible: {', '.join(found['failed'])}.",
        }
        self.api.post(f"{path}/disposition", left, f"left-{part.number}", PI)
        self.progress.step(f"{subject['number']} screen failure ({', '.join(found['failed'])})")

    def treat(self, part: Part) -> dict[str, Any]:
        """Screen, enrol, infuse and follow one subject."""
        assert part.level is not None
        subject = self.screen(part)
        path = f"/subjects/{subject['id']}"
        wish = {
            "dose_level": part.level,
            "reason": "Recorded from the paper source after the fact.",
        }
        place = self.api.post(f"{path}/enrolment", wish, f"enrolment-{part.number}", PI)
        for number in range(1, INFUSIONS[part.level] + 1):
            self._infuse(subject, part, number)
        for index, event in enumerate(part.events):
            self._event(subject, part, event, index)
        self._transfuse(subject, part)
        self._follow(subject, part)
        if part.withdraws_on is not None:
            left = {
                "event": "withdrew_consent",
                "event_date": self.day(part.first_day + part.withdraws_on),
                "reason": "The subject moved away and wants no further visits.",
            }
            self.api.post(f"{path}/disposition", left, f"left-{part.number}", PI)
        if part.corrected:
            self._correct(subject, part)
        where = f"level {place['dose_level']}, {place['phase']}, slot {place['slot']}"
        again = " (replacement)" if place["replaces_id"] else ""
        self.progress.step(f"{subject['number']} {where}{again}")
        return subject

    def _infuse(self, subject: dict[str, Any], part: Part, number: int) -> None:
        """Prescribe an infusion, register its bags, record it as given and its bags as checked."""
        day = part.first_day + 7 * (number - 1)
        path = f"/subjects/{subject['id']}/infusions"
        key = f"{part.number}-{number}"
        planned = self.api.post(path, {"planned_date": self.day(day)}, f"infusion-{key}", PI)
        if planned["started_at"] or self.api.get(f"{path}/{number}")["started_at"]:
            return
        bags = self._bags(key, day, planned["planned_bags"])
        record = {
            "bag_ids": bags,
            "premedication_drug": "dexamethasone",
            "premedication_dose_mg": 5,
            "premedication_at": self.at(day, 1, 0),
            "thawed_at": self.at(day, 1, 20),
            "started_at": self.at(day, 1, 35),
            "stopped_at": self.at(day, 2, 40),
            "volume_ml": planned["planned_volume_ml"],
            "cells": planned["planned_cells"],
            "viability_percent": 91,
            "reason": "Infusion given and recorded at the bedside.",
        }
        # All is entered later: bags of a past infusion come with its start, checks after them.
        for bag in self.api.patch(f"{path}/{number}", record, PI)["bags"]:
            scan = {
                "infusion_id": planned["id"],
                "method": "scan",
                "scanned_code": f"{bag['lot_number']}/{bag['bag_number']}",
                "checked_at": self.at(day, 1, 30),
            }
            self.api.post(f"/product-bags/{bag['id']}/checks", scan, f"check-{bag['id']}", PI)

    def _bags(self, key: str, day: int, count: int) -> list[str]:
        """Register and release a lot for one infusion and give the ids of its bags."""
        lot = {
            "lot_number": f"UCB-{key}",
            "manufactured_on": self.day(day - 20),
            "expires_on": self.day(day + 300),
            "viability_percent": 93,
            "cells_per_bag": 100_000_000,
            "bag_volume_ml": 100,
            "released": True,
            "release_tests": {"sterility": "no growth", "mycoplasma": "not detected"},
        }
        made = self.api.post("/product-lots", lot, f"lot-{key}", CELLS)
        return [
            self.api.post(
                "/product-bags",
                {"lot_id": made["id"], "bag_number": f"{index + 1:02d}"},
                f"bag-{key}-{index}",
                CELLS,
            )["id"]
            for index in range(count)
        ]

    def _event(self, subject: dict[str, Any], part: Part, event: Event, index: int) -> None:
        """Record an adverse event and adjudicate it where the story says so."""
        onset = part.first_day + event.day
        body = {
            "subject_id": subject["id"],
            "term": event.term,
            "grade": event.grade,
            "baseline_grade": 0,
            "onset_at": self.at(onset, 9),
            "ended_at": self.at(onset + event.days_long, 9),
            "aware_at": self.at(onset, 10),
            "causality": event.causality,
            "seriousness": ["hospitalization"] if event.serious else [],
            "action_taken": "none",
            "outcome": "recovered",
        }
        made = self.api.post("/adverse-events", body, f"event-{part.number}-{index}", PI)
        if made["dlt"]["state"] == "pending" and event.is_dlt is not None:
            verdict = {
                "is_dlt": event.is_dlt,
                "adverse_event_version": made["version"],
                "rationale": "Grade, timing and relation were reviewed with the source documents.",
            }
            path = f"/adverse-events/{made['id']}/dlt-adjudications"
            self.api.post(path, verdict, f"dlt-{part.number}-{index}", PI)

    def _transfuse(self, subject: dict[str, Any], part: Part) -> None:
        products = (
            ("platelets", part.platelet_transfusions),
            ("red_cells", part.red_cell_transfusions),
        )
        for product, days in products:
            for day in days:
                body = {
                    "subject_id": subject["id"],
                    "product": product,
                    "given_at": self.at(part.first_day + day, 6),
                    "units": 1,
                }
                self.api.post("/transfusions", body, f"{product}-{part.number}-{day}", CRC)

    def _follow(self, subject: dict[str, Any], part: Part) -> None:
        """Send the blood counts of every visit that lies before the data cut and the exit."""
        assert part.level is not None
        source = values.numbers(self.seed + 1, part)
        last = part.first_day + 7 * (INFUSIONS[part.level] - 1)
        end = DATA_CUT_DAY if part.withdraws_on is None else part.first_day + part.withdraws_on - 1
        days = [part.first_day + 7 * week for week in range(1, INFUSIONS[part.level])]
        days += [last + day for day in VISIT_DAYS]
        for day in sorted(set(days)):
            if day <= end:
                counts = values.blood_count(part, day - part.first_day, source)
                self._results(subject, part, day, values.count_results(counts), f"visit-{day}")

    def _results(
        self,
        subject: dict[str, Any],
        part: Part,
        day: int,
        results: list[dict[str, Any]],
        key: str,
    ) -> None:
        """Push results as the hospital's laboratory system does."""
        common = {
            "subject_id": subject["id"],
            "collected_at": self.at(day, 0),
            "accession": f"D{part.number:03d}-{key}",
        }
        body = {"results": [common | result for result in results]}
        answer = self.api.post("/labs", body, f"labs-{part.number}-{key}", LIS)
        assert answer["refused"] == 0, answer

    def _correct(self, subject: dict[str, Any], part: Part) -> None:
        """Correct a platelet count after the fact, and show what that does to the response."""
        path = f"/subjects/{subject['id']}/response"
        day = part.first_day + 28
        labs = self.api.items("/labs", subject=subject["id"], analyte="PLT", versions="all")
        (first,) = [
            lab for lab in labs if lab["day"] == self.day(day) and lab["result_version"] == 1
        ]
        before = week_category(self.api.get(path), 4)
        body = {
            "value": 88,
            "unit": "10*9/L",
            "lln": 125,
            "uln": 350,
            "reason": "Clumped platelets: the citrate specimen was counted again.",
        }
        try:
            self.api.post(
                f"/labs/{first['id']}/corrections", body, f"correction-{part.number}", CRC
            )
        except Refused as refusal:
            if refusal.status != 409:
                raise
        after = week_category(self.api.get(path), 4)
        self.progress.say(
            f"{subject['number']}: platelets of day 28 corrected; response at week 4 was {before},"
            f" is now {after}"
        )


def week_category(response: dict[str, Any], week: int) -> str:
    """Return the registered primary reading of one week."""
    for endpoint in response["endpoints"]:
        if endpoint["reading"]["week"] == week and endpoint["reading"]["primary"]:
            return str(endpoint["standing"]["category"])
    raise AssertionError("the response has no primary reading")
