"""Pictures over HTTP: right by the records, for whom they are, as of when, and by their ETag."""

import xml.etree.ElementTree as ET
from datetime import date, timedelta
from itertools import product

import pytest
import vl_convert
from sqlalchemy import text

from app.core.drawing import VERSION
from app.domain.vocabulary import Role
from app.schemas.pictures import PictureName
from tests.documented import misfits
from tests.factories.dosing import infuse
from tests.factories.events import adjudicate, adverse_event, dose_limiting_event
from tests.factories.ladder import amend, decide, treat
from tests.factories.people import holding, set_up_site, working_at
from tests.factories.responses import FAIR, GOOD, LOW, count, day, transfuse, treated_subject
from tests.factories.rows import at, move_to
from tests.factories.subjects import FIRST_INFUSION, enrolled_subject, leave, register
from tests.pictures.test_specifications import having, rows

INDIVIDUAL = {"waterfall", "lab-trajectories", "swimmer"}
FORMS = ("svg", "vl.json")
NAMES = [name.value for name in PictureName]
RESPONDER = {7: LOW, 21: FAIR, 28: GOOD, 35: GOOD, 56: GOOD}


@pytest.fixture
async def study(api, clock):
    """Two levels, one DLT, a response that goes on, a transfusion, an exit and a screening."""
    toxic = await treated_subject(api, clock, level="A")
    responder = await treated_subject(api, clock, 0, 7, level="B")
    leaver = await treated_subject(api, clock, 0, level="B")
    await register(api)
    move_to(clock, day(60))
    await dose_limiting_event(api, toxic, day(3))
    severe = await adverse_event(api, leaver, day(4), term="Lung infection", grade=4)
    await adjudicate(api, severe, is_dlt=False)
    await count(api, responder, RESPONDER)
    await count(api, leaver, {7: LOW, 14: LOW | {"HGB": 99}, 21: LOW})
    await transfuse(api, leaver, day(12))
    await leave(api, leaver["id"], "withdrew_consent", at(day(30)))
    return {"toxic": toxic, "responder": responder, "leaver": leaver}


async def specification(api, name, role=Role.PRINCIPAL_INVESTIGATOR, **query):
    """Read the data of a picture."""
    answer = await api(role).get(f"/metrics/{name}.vl.json", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.vegalite.v6+json"
    return answer.json()


async def test_each_picture_is_drawn(api, study):
    """An SVG with title and description, that a browser lets load and run nothing."""
    for name in NAMES:
        answer = await api().get(f"/metrics/{name}.svg")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        root = ET.fromstring(answer.text)
        assert root.get("role") == "img"
        assert len(root[1].text) > 60
        assert 600 < float(root.get("width")) < 800


async def test_the_library_takes_the_data(api, study, capfd):
    """What is served compiles without a warning, and names its protocol and study day."""
    for name in NAMES:
        answer = await api().get(f"/metrics/{name}.vl.json")
        vl_convert.vegalite_to_vega(answer.text, vl_version=VERSION, show_warnings=True)
        assert "WARN" not in "".join(capfd.readouterr())
        basis = answer.json()["title"]["subtitle"][-1]
        assert basis == f"Records as known on study day {day(60)}; protocol version 1."


async def test_a_study_with_nobody_has_pictures(api):
    """Before anybody is screened each picture is there, as SVG too."""
    for name in NAMES:
        assert "title" in await specification(api, name)
        answer = await api().get(f"/metrics/{name}.svg")
        assert answer.status_code == 200, answer.text


async def test_the_ladder_counts_as_the_escalation_does(api, study):
    """Boxes by level, the words of its standing, and the recommendation for who may read it."""
    ladder = (await api().get("/escalation")).json()
    shown = await specification(api, "ladder")
    for level in ladder["ladder"]:
        name = f"Level {level['level']}:"
        boxes = [
            row["state"] for row in rows(shown) if "state" in row and row["row"].startswith(name)
        ]
        assert boxes.count("DLT") == level["tally"]["dlts"]
        assert boxes.count("no DLT") == level["tally"]["evaluable"] - level["tally"]["dlts"]
        assert boxes.count("in window") == level["tally"]["in_window"]
    sentence = f"Recommendation: {ladder['recommendation'].replace('_', ' ')}"
    assert shown["title"]["subtitle"][0].startswith(sentence)
    for role in (Role.SPONSOR, Role.STUDY_COORDINATOR):
        assert "Recommendation" not in str(await specification(api, "ladder", role))


async def test_the_ladder_says_how_far_the_expansion_is(api, clock):
    """Open while it has places, full when all are taken, complete when every result is in."""
    design = {"variant": "storer", "cohort_size": 3, "max_level_size": 6, "stop_at_dlts": 2}
    await amend(api, "escalation", design=design)
    await treat(api, clock, FIRST_INFUSION, 3)
    await decide(api, "escalate")
    await treat(api, clock, date(2026, 8, 1), 2, dlts=2)
    await decide(api, "stop_level")
    await decide(api, "declare_mtd")
    await decide(api, "open_expansion", dose_level="A")
    assert await expanding(api) == "expansion open"
    await treat(api, clock, date(2026, 10, 1), 5)
    assert await expanding(api) == "expansion open"
    move_to(clock, date(2026, 11, 10))
    last = await enrolled_subject(api, date(2026, 11, 10))
    assert await expanding(api) == "expansion full"
    await infuse(api, last, date(2026, 11, 10))
    move_to(clock, date(2026, 12, 8))
    assert await expanding(api) == "expansion full"
    move_to(clock, date(2026, 12, 9))
    assert await expanding(api) == "expansion complete"


async def expanding(api):
    """Read the words beside the expansion of level A."""
    shown = await specification(api, "ladder")
    (row,) = (row for row in having(shown, row="Level A: expansion") if "lines" in row)
    return row["lines"][0]


async def test_enrolment_has_the_numbers_of_the_metrics(api, study):
    """Months and totals are those that dashboards get."""
    counts = (await api().get("/metrics/enrolment")).json()
    shown = await specification(api, "enrolment")
    line = f"Screened (n = {counts['screened']})"
    months = [(row["month"], row["subjects"]) for row in having(shown, line=line)]
    assert months == [(each["month"], each["screened_so_far"]) for each in counts["months"]]


async def test_adverse_events_have_the_numbers_of_the_metrics(api, study):
    """Each term at its worst grade, of those treated."""
    shown = await specification(api, "adverse-events")
    assert having(shown, term="Lung infection", grade=4, participants=1)
    assert having(shown, term="Infusion related reaction", grade=3, participants=1)
    assert shown["title"]["text"].endswith("n = 3 treated")


async def test_curves_have_the_numbers_of_the_metrics(api, study):
    """Steps and medians are those of the efficacy metrics; the rules are named."""
    counts = (await api().get("/metrics/efficacy")).json()
    shown = await specification(api, "kaplan-meier")
    curves = [x["kaplan_meier"] for x in counts["times_to_response"]] + [
        x["kaplan_meier"] for x in counts["durations_of_response"] if x["kind"] == "response"
    ]
    wanted = [step["survival"] for curve in curves for step in curve["steps"]]
    steps = [row for row in having(shown, kind="step") if "at_risk" in row]
    assert [row["survival"] for row in steps] == wanted
    assert "sas-midpoint" in str(shown["title"])
    assert "log-log" in str(shown["title"])


async def test_the_waterfall_leaves_out_what_a_transfusion_raised(api, study):
    """A haemoglobin two days after red cells is nobody's best change."""
    shown = await specification(api, "waterfall")
    found = {(row["subject"], row["change"]) for row in rows(shown) if "change" in row}
    number = study["leaver"]["number"]
    assert (number, 0) in found
    assert (number, 14) not in found
    assert (study["responder"]["number"], 55) in found


async def test_counts_are_shown_by_day_with_what_reaches_the_limit(api, study):
    """Baseline before day 0, later counts after it, transfusions only where they can raise it."""
    shown = await specification(api, "lab-trajectories")
    number = study["responder"]["number"]
    platelets = having(shown, subject=number, lineage="Platelets", kind="count")
    assert [(row["day"], row["value"]) for row in platelets] == [
        (-4, 45), (7, 45), (21, 45), (28, 100), (35, 100), (56, 100),
    ]  # fmt: skip
    assert ["at or above" in row["what"] for row in platelets] == [False] * 3 + [True] * 3
    red_cells = [row["lineage"] for row in having(shown, kind="transfusion")]
    assert red_cells == ["Haemoglobin"]
    infusions = having(shown, subject=number, lineage="Platelets", kind="infusion")
    assert [row["day"] for row in infusions] == [0, 7]


async def test_courses_show_what_happened_when(api, study):
    """Infusions, the DLT, other severe events, responses to the last count, and how bars end."""
    shown = await specification(api, "swimmer")

    def marks(who):
        return [(row["what"], row["day"]) for row in having(shown, kind="mark",
                subject=study[who]["number"])]  # fmt: skip

    def bands(who):
        return [(row["what"], row["from_day"], row["to_day"]) for row in having(
                shown, kind="band", subject=study[who]["number"])]  # fmt: skip

    assert ("Dose-limiting toxicity (DLT)", 3) in marks("toxic")
    assert ("Follow-up goes on", 60) in marks("toxic")
    assert ("Adverse event of grade 3 or higher", 4) in marks("leaver")
    assert ("Transfusion: red cells", 12) in marks("leaver")
    assert marks("leaver")[-1] == ("End of follow-up", 30)
    assert bands("leaver") == [("In follow-up", 0, 30)]
    assert bands("responder") == [
        ("In follow-up", 0, 60),
        ("Partial response (PR)", 21, 56),
        ("Complete response (CR)", 28, 56),
    ]
    assert ("Still in response at the last count", 56) in marks("responder")


async def test_who_died_has_the_mark_of_it(api, clock):
    """A fatal event ends the bar."""
    subject = await treated_subject(api, clock)
    await adverse_event(
        api, subject, day(9), grade=5, term="Lung infection", outcome="fatal", seriousness=["death"]
    )
    move_to(clock, day(20))
    shown = await specification(api, "swimmer")
    assert [row["what"] for row in having(shown, kind="mark")][-1] == "Death"


@pytest.mark.parametrize("name", sorted(INDIVIDUAL))
@pytest.mark.parametrize("form", FORMS)
async def test_single_subjects_are_not_for_sponsors(api, name, form):
    """Counts are; who may not read responses is refused in either form."""
    assert (await api(Role.SPONSOR).get(f"/metrics/{name}.{form}")).status_code == 403


async def test_sponsors_see_counts_and_nobody(api, study):
    """No number of a subject in an aggregate picture, in either form."""
    for name, form in product(sorted(set(NAMES) - INDIVIDUAL), FORMS):
        answer = await api(Role.SPONSOR).get(f"/metrics/{name}.{form}")
        assert answer.status_code == 200, answer.text
        assert not [who for who in study.values() if who["number"] in answer.text]
        assert not [who for who in study.values() if who["id"] in answer.text]


async def test_a_reader_of_a_site_sees_its_own_subjects(api, study):
    """Of another site nobody is shown; the title says how many there are."""
    await set_up_site(api, "02")
    own = await working_at(api, "01", Role.STUDY_COORDINATOR, "carl")
    other = await working_at(api, "02", Role.STUDY_COORDINATOR, "dora")
    numbers = [who["number"] for who in study.values()]
    for name in INDIVIDUAL:
        seen = (await own.get(f"/metrics/{name}.vl.json")).text
        assert [number for number in numbers if number in seen]
        unseen = await other.get(f"/metrics/{name}.vl.json")
        assert unseen.status_code == 200, unseen.text
        assert not [number for number in numbers if number in unseen.text]
        assert unseen.json()["title"]["text"].endswith("0 of 3 treated subjects")


async def test_a_role_without_the_right_widens_no_view(api, study):
    """A sponsor of all sites who coordinates one sees single subjects of that one only."""
    await set_up_site(api, "02")
    client = await holding(api, "tess", (Role.SPONSOR, None), (Role.STUDY_COORDINATOR, "02"))
    shown = (await client.get("/metrics/swimmer.vl.json")).json()
    assert shown["title"]["text"].endswith("0 of 3 treated subjects")


async def test_the_list_has_what_one_may_see(api, app, study):
    """Each entry leads to both forms; a sponsor's has no picture of single subjects."""
    answer = await api().get("/metrics/pictures")
    assert misfits(app, "list_pictures", answer) == []
    items = answer.json()["items"]
    assert [item["name"] for item in items] == NAMES
    for item in items:
        for address in (item["svg"], item["specification"]):
            assert (await api().get(f"http://test{address}")).status_code == 200
    sponsors = (await api(Role.SPONSOR).get("/metrics/pictures")).json()["items"]
    assert {item["name"] for item in sponsors} == set(NAMES) - INDIVIDUAL
    assert {item["name"] for item in items if item["individual"]} == INDIVIDUAL


async def test_a_poll_is_not_modified_until_something_moves(api, clock, study):
    """A minute later each ETag still holds; after the next event, and on the next day, it moves."""
    addresses = [f"/metrics/{name}.{form}" for name, form in product(NAMES, FORMS)]
    held = {}
    for address in addresses:
        answer = await api().get(address)
        held[address] = {"If-None-Match": answer.headers["etag"]}
    clock.advance(minutes=1)
    for address in addresses:
        assert (await api().get(address, headers=held[address])).status_code == 304
    await adverse_event(api, study["responder"], day(40), grade=4)
    for form, name in product(FORMS, ("adverse-events", "swimmer")):
        address = f"/metrics/{name}.{form}"
        assert (await api().get(address, headers=held[address])).status_code == 200
    clock.now += timedelta(days=1)
    for address in addresses:
        assert (await api().get(address, headers=held[address])).status_code == 200


async def test_the_past_is_drawn_as_it_was(api, clock, session):
    """As of a moment before the second subject, the picture has one, and says of when it is."""
    now = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    zero = day(-40, now.date())
    first = await treated_subject(api, clock, zero=zero)
    between = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
    second = await treated_subject(api, clock, zero=zero)
    move_to(clock, day(42, zero))

    async def shown(**query):
        specified = await specification(api, "swimmer", **query)
        numbers = {row["subject"] for row in rows(specified)}
        return numbers, specified["title"]["subtitle"][-1]

    numbers, basis = await shown()
    assert numbers == {first["number"], second["number"]}
    assert basis.startswith("Records as known on study day")
    numbers, basis = await shown(as_of=between.isoformat())
    assert numbers == {first["number"]}
    assert basis.startswith("Records as of")
    assert "+08:00" in basis
