"""Each result belongs to its own patient, order and specimen, whatever the structure is called."""

import pytest

from tests.interop.hl7v2.reads import delivery, results
from tests.interop.hl7v2.samples import message, msh, obr, obx, pid, segment, spm, two_patients

KINDS = ("ORU^R01^ORU_R01", "OUL^R21^OUL_R21", "OUL^R22^OUL_R22", "OUL^R24^OUL_R24")
EARLY, LATE = "202606010730", "202606011930"


def specimens(*segments: str, kind: str = KINDS[0]) -> list[tuple[str, str]]:
    """Read the specimen and its collection time of each result; orders say neither."""
    found = results(message(msh(kind), *segments), accession_fields=("SPM-2",))
    return [(each.accession, each.collected) for each in found]


def order(number: str = "") -> str:
    """Build an order that does not say when the specimen was taken."""
    return obr(number, {7: ""})


def test_two_patients_in_one_message_stay_apart():
    """Grouped by PID, each with its own order."""
    found = results(two_patients())
    assert [each.patients[0].value for each in found] == ["S-001", "S-002"]
    assert [each.accession for each in found] == ["A-1", "A-2"]
    assert [each.values[0][0] for each in found] == ["98", "45"]


def test_a_patient_without_a_number_is_not_the_one_before():
    """The second patient has no identifier: the result has none either, nor the first's order."""
    empty = segment("PID", {1: "2", 5: "Invented^Other"})
    first, second = results(message(msh(), pid(), obr("A-1"), obx(), empty, obx()))
    assert (first.patients[0].value, first.accession) == ("S-001", "A-1")
    assert (second.patients, second.accession, second.panel) == ((), "", None)


def test_no_missing_byte_gives_a_result_to_the_other_patient():
    """A line end or a letter lost on the way never moves a result; at worst the message waits."""
    raw = two_patients()
    others = {"98": ("S-002", "A-2"), "45": ("S-001", "A-1")}
    for position in range(len(raw)):
        for found in delivery(raw[:position] + raw[position + 1 :]).results:
            patient, accession = others.get(found.values[0][0], ("no", "no"))
            assert patient not in [each.value for each in found.patients]
            assert accession != found.accession


def test_results_before_any_patient_have_none():
    """A message without PID keeps its results; somebody assigns them."""
    (only,) = results(message(msh(), obr("A-1"), obx()))
    assert (only.patients, only.accession) == ((), "A-1")


def test_results_without_an_order_are_kept():
    """A message without OBR has no panel and no accession."""
    (only,) = results(message(msh(), pid(), obx()))
    assert (only.accession, only.panel, only.stated_by_message) == ("", None, True)


def test_each_order_has_its_own_results_in_whatever_order_they_come():
    """OBR|2 may come before OBR|1."""
    found = results(
        message(msh(), pid(), obr("B", {1: "2"}), obx(), obx(), obr("A", {1: "1"}), obx())
    )
    assert [each.accession for each in found] == ["B", "B", "A"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_specimen_after_the_results_of_its_order_is_theirs(kind):
    """As ORU^R01 has it: OBR, OBX, SPM, for one order after the other."""
    found = specimens(
        pid(), order(), obx(), obx(), spm("X", EARLY), order(), obx(), spm("Y", LATE), kind=kind
    )
    assert found == [("X", EARLY), ("X", EARLY), ("Y", LATE)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_specimen_between_order_and_results_is_theirs(kind):
    """As OUL^R24 has it: OBR, ORC, SPM, SAC, OBX."""
    lines = (segment("ORC", {1: "RE"}), spm("X", EARLY), segment("SAC", {3: "C"}), obx())
    found = specimens(pid(), order(), *lines, order(), obx(), kind=kind)
    assert found == [("X", EARLY), ("", "")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_specimen_before_its_orders_is_theirs_until_the_next(kind):
    """As OUL^R22 has it: SPM, OBR, OBX, OBR, OBX, SPM, OBR, OBX."""
    found = specimens(
        pid(),
        spm("X", EARLY), order(), obx(), order(), obx(),
        spm("Y", LATE), order(), obx(),
        kind=kind,
    )  # fmt: skip
    assert found == [("X", EARLY), ("X", EARLY), ("Y", LATE)]


def test_a_new_specimen_ends_the_order_before_it():
    """A result between a specimen and its first order is no result of the order before."""
    raw = message(msh(KINDS[2]), pid(), spm("X"), obr("A"), obx(), spm("Y"), obx(), obr("B"), obx())
    assert [each.accession for each in results(raw)] == ["A", "Y", "B"]


def test_results_follow_the_specimen_right_before_them():
    """Within one order, specimens and their results may alternate."""
    lines = (order(), spm("X", EARLY), obx(), spm("Y", LATE), obx())
    assert specimens(pid(), *lines) == [("X", EARLY), ("Y", LATE)]


@pytest.mark.parametrize(
    "lines",
    [
        (order(), spm("X", EARLY), spm("Y", EARLY), obx()),
        (order(), obx(), spm("X", EARLY), spm("Y", EARLY)),
        (spm("X", EARLY), spm("Y", EARLY), order(), obx()),
    ],
)
def test_of_two_specimens_only_what_both_say_is_taken(lines):
    """Nothing tells which of the two was measured; their common collection time is certain."""
    assert specimens(pid(), *lines) == [("", EARLY)]


def test_a_specimen_without_any_order_is_taken():
    """OUL^R22 may leave the order out."""
    assert specimens(pid(), spm("X", EARLY), obx(), kind=KINDS[2]) == [("X", EARLY)]


def test_a_specimen_ends_with_its_patient():
    """The next patient has no specimen until one comes."""
    lines = (pid(), spm("X", EARLY), order(), obx(), pid("S-002"), order(), obx())
    assert specimens(*lines) == [("X", EARLY), ("", "")]
