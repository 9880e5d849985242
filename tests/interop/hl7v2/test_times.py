"""The times of a result are those of its order, of its specimen or of the message."""

import pytest

from tests.interop.hl7v2 import samples
from tests.interop.hl7v2.reads import result
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid


def test_without_a_status_time_the_message_states_the_result():
    """MSH-7 stands in for OBR-22, and the result says so; OBX-19 is about the analysis."""
    raw = message(msh(), pid(), obr(fields={22: ""}), obx(fields={19: "20260601"}))
    found = result(raw)
    assert (found.reported, found.stated, found.stated_by_message) == ("", samples.SENT, True)


@pytest.mark.parametrize(
    "reported", ["20260601", "2026060108", "2026060108+0800", "202606", "soon"]
)
def test_a_day_or_an_hour_dates_no_statement(reported):
    """Two versions of one day would be of one moment; the message's own time tells them apart."""
    found = result(message(msh(), pid(), obr(fields={22: reported}), obx()))
    assert (found.reported, found.stated, found.stated_by_message) == (reported, samples.SENT, True)
    exact = result(message(msh(), pid(), obr(fields={22: "202606010845"}), obx()))
    assert (exact.stated, exact.stated_by_message) == ("202606010845", False)


@pytest.mark.parametrize(
    ("sent", "offset"),
    [
        ("20260601084600+0900", "+0900"),
        ("20260601-0330", "-0330"),
        ("20260601084600", ""),
        ("20260601084600+9900", ""),
        ("", ""),
    ],
)
def test_the_offset_of_the_message_goes_with_its_results(sent, offset):
    """MSH-7 says it for every time of the message that says none; times stay as they came."""
    found = result(message(msh(fields={7: sent}), pid(), obr(fields={7: "20260601"}), obx()))
    assert (found.offset, found.collected) == (offset, "20260601")
