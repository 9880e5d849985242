"""SQLAlchemy tables, one module per noun."""

from app.models.adverse_event import AdverseEvent, DltAdjudication
from app.models.audit import Change, IdempotencyRecord, Operation, Principal, RoleGrant
from app.models.base import Base, Fact, Record, StudyRecord
from app.models.care import Assessment, ConcomitantMedication, Transfusion
from app.models.escalation import DecisionVerdict, EscalationDecision
from app.models.identity import SubjectIdentifier
from app.models.inbound import InboundMessage, InboxItem
from app.models.infusion import Infusion
from app.models.lab import LabResult
from app.models.product import ProductBag, ProductLot
from app.models.sender import Sender, SenderKey, SenderProfileVersion
from app.models.study import ProtocolActivation, ProtocolVersion, Site, Study
from app.models.subject import Attestation, Cohort, Disposition, Enrolment, Subject

__all__ = [
    "AdverseEvent",
    "Assessment",
    "Attestation",
    "Base",
    "Change",
    "Cohort",
    "ConcomitantMedication",
    "DecisionVerdict",
    "Disposition",
    "DltAdjudication",
    "Enrolment",
    "EscalationDecision",
    "Fact",
    "IdempotencyRecord",
    "InboundMessage",
    "InboxItem",
    "Infusion",
    "LabResult",
    "Operation",
    "Principal",
    "ProductBag",
    "ProductLot",
    "ProtocolActivation",
    "ProtocolVersion",
    "Record",
    "RoleGrant",
    "Sender",
    "SenderKey",
    "SenderProfileVersion",
    "Site",
    "Study",
    "StudyRecord",
    "Subject",
    "SubjectIdentifier",
    "Transfusion",
]
