"""Reading stored messages again: by the reader of their door, the same results in their places."""

import pytest

from app.core.ids import new_id
from app.core.serialization import to_json
from app.domain.inbound import Door, InboxReason
from app.domain.sender_profile import SenderProfile
from app.interop.hl7v2.reading import read
from app.interop.rereading import reread, text_of
from app.services.inbox import OpenedMessage
from tests.conftest import NOW, STUDY
from tests.factories.messages import laboratory, resolved, undecodable, waiting
from tests.factories.senders import BASE
from tests.factories.subjects import register
from tests.interop.fhir.samples import concept, neutrophils
from tests.interop.hl7v2 import samples

PROFILE = SenderProfile()


def opened(raw: bytes, door: Door = Door.HL7V2, **changes) -> OpenedMessage:
    """Return a stored message as it is opened."""
    usual = {"charset": None, "results": 1}
    return OpenedMessage(
        id=new_id(), door=door, raw=raw, received_at=NOW, study_key=STUDY, **usual | changes
    )


@pytest.mark.parametrize("door", [Door.HL7V2, Door.MLLP])
def test_hl7_reads_as_when_it_came(door):
    """The same bytes by the same profile give the same delivery."""
    raw = samples.generic_cbc()
    assert [reread(opened(raw, door), PROFILE)] == read(raw, PROFILE, door)


def test_the_charset_of_then_reads_it_again():
    """What HTTP declared when the message came is not in its bytes, but was kept."""
    raw = samples.chinese_oul(charset="gb18030").replace(b"GB 18030-2000", b"")
    message = opened(raw, charset="gb18030")
    assert reread(message, PROFILE).charset == "gb18030"
    assert samples.TRAPS in text_of(message, PROFILE)


def test_two_messages_are_not_taken_for_one():
    """Bytes that give more than one message are left whole."""
    raw = samples.generic_cbc() + samples.generic_cbc("MSG-0002")
    assert reread(opened(raw), PROFILE).whole is InboxReason.UNREADABLE_MESSAGE


@pytest.mark.parametrize("raw", [b"\xff{", b"[]", b'{"resourceType": "Patient"}', b""])
@pytest.mark.parametrize("door", [Door.FHIR, Door.CSV])
def test_what_cannot_be_read_is_left_whole(door, raw):
    """Nothing raises, and the results are as many as were counted."""
    delivery = reread(opened(raw, door, results=3), PROFILE)
    assert (delivery.whole, delivery.counted) == (InboxReason.UNREADABLE_MESSAGE, 3)


def test_bytes_that_nobody_reads_are_shown_as_escapes():
    """A person sees at least what is legible."""
    text = text_of(opened(undecodable(samples.obx())), PROFILE)
    assert text.startswith("MSH|")
    assert "\\x93 as of today" in text


def test_a_resource_is_shown_as_it_came():
    """Formats other than HL7 v2 are text in UTF-8."""
    raw = '{"resourceType": "Observation", "note": "阴性"}'
    assert text_of(opened(raw.encode(), Door.FHIR), PROFILE) == raw


async def test_a_result_in_fhir_leaves_the_inbox_like_any_other(api):
    """A code of the laboratory's own is mapped, and the observation is read again and filed."""
    await register(api)
    lab = await laboratory(api)
    resource = neutrophils(code=concept("ANC-L", "urn:lis:codes"))
    answer = await lab.post(
        f"{BASE}/fhir/Observation",
        content=to_json(resource),
        headers={"Content-Type": "application/fhir+json"},
    )
    assert answer.status_code in (200, 201, 202), answer.text
    (item,) = await waiting(api)
    assert (item["door"], item["code_system"]) == ("fhir", "urn:lis:codes")
    outcome = await resolved(api, item, action="map_code", analyte="ANC")
    assert outcome["item"]["status"] == "filed", outcome
