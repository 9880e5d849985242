"""Response rates of the trial over HTTP, against the subjects' own responses."""

from math import comb
from statistics import median

import pytest

from tests.factories.responses import (
    FAIR,
    GOOD,
    LOW,
    count,
    day,
    response_of,
    transfuse,
    treated_subject,
)
from tests.factories.rows import move_to

LINEAGES = (None, "neutrophil", "platelet", "hemoglobin")


def exact_interval(events, n):
    """Give the Clopper-Pearson limits by bisection of the binomial tails, in floats."""

    def tail(rate, counts):
        return sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in counts)

    def solve(is_low):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if is_low(middle) else (low, middle)
        return low

    lower = solve(lambda p: tail(p, range(events, n + 1)) < 0.025) if events else 0.0
    upper = solve(lambda p: tail(p, range(events + 1)) > 0.025) if events < n else 1.0
    return lower, upper


def check(share, events, n):
    """Compare one share with what was counted beside it."""
    assert (share["events"], share["n"]) == (events, n)
    if n == 0:
        assert share["rate"] is share["lower"] is share["upper"] is None
        return
    assert share["rate"] == pytest.approx(events / n, abs=1e-7)
    assert (share["lower"], share["upper"]) == pytest.approx(exact_interval(events, n), abs=1e-6)


async def efficacy(api, **query):
    """Read the efficacy metrics."""
    answer = await api().get("/metrics/efficacy", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def primary(metrics, week, level=None):
    """Pick the registered reading of a week, for one level or all."""
    reading = next(x for x in metrics["readings"] if x["primary"] and x["week"] == week)
    return next(group for group in reading["groups"] if group["level"] == level)


async def small_trial(api, clock):
    """Treat a CR, a PR and an NR, and one of level B who has one of two infusions yet."""
    subjects = [await treated_subject(api, clock) for _ in range(3)]
    subjects.append(await treated_subject(api, clock, level="B"))
    move_to(clock, day(60))
    for subject, panel in zip(subjects, (GOOD, FAIR, LOW, LOW), strict=True):
        await count(api, subject, {21: panel, 28: panel, 35: panel, 56: LOW})
    await transfuse(api, subjects[0], day(45))
    return subjects


def categories_of(responses, reading):
    """List what each response says in one reading."""
    keys = ("week", "mode", "anchor")
    wanted = [reading[key] for key in keys]
    return [
        entry["standing"]
        for response in responses
        for entry in response["endpoints"]
        if [entry["reading"][key] for key in keys] == wanted
    ]


async def test_every_rate_follows_from_the_subjects_responses(api, clock):
    """Each reading and level is recounted from the single responses, interval and all."""
    responses = [await response_of(api, x) for x in await small_trial(api, clock)]
    metrics = await efficacy(api)
    assert metrics["treated"] == 4
    assert (metrics["interval_method"], metrics["confidence"]) == ("clopper-pearson", 0.95)
    assert len(metrics["readings"]) == 8
    for reading in metrics["readings"]:
        for group in reading["groups"]:
            members = [x for x in responses if group["level"] in (None, x["dose_level"])]
            found = categories_of(members, reading)
            assert group["treated"] == len(found)
            for category, number in group["categories"].items():
                assert number == sum(x["category"] == category for x in found)
            certain = [x["confirmed"] for x in found]
            due = len(certain) - certain.count("not_due")
            for rates, n in zip(group["rates"], (len(certain), due), strict=True):
                check(rates["complete_response"], certain.count("CR"), n)
                check(rates["partial_response"], certain.count("PR"), n)
                both = certain.count("CR") + certain.count("PR")
                check(rates["overall_response"], both, n)


async def test_rates_worked_by_hand(api, clock):
    """Week 4: CR, PR, NR, one not due for want of an infusion. Week 8: no response is left."""
    await small_trial(api, clock)
    metrics = await efficacy(api)
    everybody = primary(metrics, 4)
    assert {k: v for k, v in everybody["categories"].items() if v} == {
        "CR": 1, "PR": 1, "NR": 1, "not_due": 1,
    }  # fmt: skip
    treated, due = (x["overall_response"] for x in everybody["rates"])
    assert [x["denominator"] for x in everybody["rates"]] == ["treated", "due"]
    assert (treated["events"], treated["n"], treated["rate"]) == (2, 4, 0.5)
    assert (due["events"], due["n"], due["rate"]) == (2, 3, 0.66666667)
    assert primary(metrics, 4, "B")["rates"][1]["overall_response"]["rate"] is None
    assert primary(metrics, 8)["categories"]["NR"] == 3


async def test_times_follow_from_the_subjects_responses(api, clock):
    """Simple medians, numbers of responders and reasons are recounted from single responses."""
    responses = [await response_of(api, x) for x in await small_trial(api, clock)]
    metrics = await efficacy(api)
    assert [x["lineage"] for x in metrics["times_to_response"]] == list(LINEAGES)
    for summary in metrics["times_to_response"]:
        times = [
            part["time_to_response"]
            for response in responses
            for part in [response, *response["lineages"]]
            if part.get("lineage") == summary["lineage"] and part["time_to_response"]
        ]
        days = [time["days"] for time in times if time["event"]]
        assert (summary["participants"], summary["responders"]) == (len(times), len(days))
        assert summary["median_days"] == (median(days) if days else None)
        assert sum(summary["reasons"].values()) == summary["kaplan_meier"]["n"] == len(times)
    whole = metrics["times_to_response"][0]
    assert (whole["median_days"], whole["kaplan_meier"]["median"]) == (
        21,
        {"rule": "sas-midpoint", "value": None},
    )


async def test_durations_follow_from_the_subjects_responses(api, clock):
    """Ends and censorings by reason: the transfusion of day 45 ended what day 21 began."""
    responses = [await response_of(api, x) for x in await small_trial(api, clock)]
    metrics = await efficacy(api)
    fields = {
        "response": "duration_of_response",
        "complete_response": "duration_of_complete_response",
    }
    assert len(metrics["durations_of_response"]) == 6
    for summary in metrics["durations_of_response"]:
        durations = [
            part[fields[summary["kind"]]]
            for response in responses
            for part in response["lineages"]
            if part["lineage"] == summary["lineage"] and part[fields[summary["kind"]]]
        ]
        ended = [x for x in durations if x["event"]]
        assert (summary["responders"], summary["ended"]) == (len(durations), len(ended))
        assert summary["censored"] == len(durations) - len(ended)
        times = [(x["time"], x["events"]) for x in summary["kaplan_meier"]["steps"] if x["events"]]
        assert times == sorted(
            {(x["days"], [y["days"] for y in ended].count(x["days"])) for x in ended}
        )
    platelets = next(x for x in metrics["durations_of_response"] if x["lineage"] == "platelet")
    assert platelets["reasons"] == {"transfusion": 1}
    assert platelets["kaplan_meier"]["steps"][0]["time"] == 24


async def test_alternatives_are_labelled(api, clock):
    """Every other pair of the debatable rules, and the configured one without confounded counts."""
    await small_trial(api, clock)
    found = (await efficacy(api))["alternatives"]
    assert [(x["lineage_rule"], x["transfusion_scope"], x["counts_confounded"]) for x in found] == [
        ("below_cr", "lineage", True),
        ("all", "any", True),
        ("all", "lineage", True),
        ("below_cr", "any", False),
    ]
    assert all(x["differing"] == 0 for x in found)
    assert {x["weeks"][0]["rates"][0]["overall_response"]["events"] for x in found} == {2}


async def test_the_published_intervals_appear(api, clock):
    """3/6 on A, 5/6 on B, 0/3 on C: 8 of 15 respond at week 4, with the known limits."""
    for level, treated, responders, last in (("A", 6, 3, 0), ("B", 6, 5, 7), ("C", 3, 0, 21)):
        zero = day(-last)
        for number in range(treated):
            subject = await treated_subject(
                api, clock, *range(0, last + 1, 7), level=level, zero=zero
            )
            move_to(clock, day(36))
            anc = {"ANC": 1.3 if number < responders else 0.8}
            await count(api, subject, {last + 28: anc, last + 35: anc}, zero)
    metrics = await efficacy(api)

    def limits(level):
        share = primary(metrics, 4, level)["rates"][0]["overall_response"]
        return share["events"], share["n"], round(share["lower"], 4), round(share["upper"], 4)

    assert limits("A") == (3, 6, 0.1181, 0.8819)
    assert limits("C") == (0, 3, 0, 0.7076)
    assert limits(None) == (8, 15, 0.2659, 0.7873)
