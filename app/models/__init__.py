"""SQLAlchemy tables, one module per noun."""

from app.models.adverse_event import AdverseEvent, DltAdjudication
from app.models.audit import (
    Change,
    GrantConfirmation,
    GrantEnd,
    IdempotencyRecord,
    Operation,
    Principal,
    RoleGrant,
)
from app.models.base import Base, Fact, Record, StudyRecord
from app.models.care import Assessment, ConcomitantMedication, Transfusion
from app.models.casebook import (
    CLOSED_WITH_CASEBOOK,
    OF_CASEBOOK,
    Casebook,
    UnlockRequest,
    UnlockVerdict,
)
from app.models.data_cut import DataCut
from app.models.deviation import DeviationNote, ReportedDeviation
from app.models.escalation import DecisionVerdict, EscalationDecision
from app.models.evidence_review import EvidenceReview
from app.models.identity import Person, Secret, SecretKind, SubjectIdentifier, VaultAccess
from app.models.inbound import InboundMessage, InboxItem
from app.models.infusion import Infusion
from app.models.lab import LabResult
from app.models.machine import ClientAssertion, MachineClient
from app.models.product import BagMovement, ProductBag, ProductLot
from app.models.query import Query, QueryMessage, SourceVerification
from app.models.redaction import Redaction, RedactionRequest
from app.models.reference_range import RangeRetraction, ReferenceRange
from app.models.safety_report import (
    ClassCorrection,
    FollowUp,
    GradeCorrection,
    ReferenceSafetyInformation,
    SafetyReport,
    SafetyRetraction,
)
from app.models.seal import (
    SEAL,
    SealCheckpoint,
    SealCommitment,
    SealEntry,
    SealLeaf,
    SealNode,
    SealRollback,
    SealShape,
    SealState,
)
from app.models.sender import Sender, SenderKey, SenderProfileVersion
from app.models.signature import SecurityEvent, Signature
from app.models.study import ProtocolActivation, ProtocolVersion, Site, Study
from app.models.subject import Attestation, Cohort, Disposition, Enrolment, Subject

__all__ = [
    "CLOSED_WITH_CASEBOOK",
    "OF_CASEBOOK",
    "SEAL",
    "AdverseEvent",
    "Assessment",
    "Attestation",
    "BagMovement",
    "Base",
    "Casebook",
    "Change",
    "ClassCorrection",
    "ClientAssertion",
    "Cohort",
    "ConcomitantMedication",
    "DataCut",
    "DecisionVerdict",
    "DeviationNote",
    "Disposition",
    "DltAdjudication",
    "Enrolment",
    "EscalationDecision",
    "EvidenceReview",
    "Fact",
    "FollowUp",
    "GradeCorrection",
    "GrantConfirmation",
    "GrantEnd",
    "IdempotencyRecord",
    "InboundMessage",
    "InboxItem",
    "Infusion",
    "LabResult",
    "MachineClient",
    "Operation",
    "Person",
    "Principal",
    "ProductBag",
    "ProductLot",
    "ProtocolActivation",
    "ProtocolVersion",
    "Query",
    "QueryMessage",
    "RangeRetraction",
    "Record",
    "Redaction",
    "RedactionRequest",
    "ReferenceRange",
    "ReferenceSafetyInformation",
    "ReportedDeviation",
    "RoleGrant",
    "SafetyReport",
    "SafetyRetraction",
    "SealCheckpoint",
    "SealCommitment",
    "SealEntry",
    "SealLeaf",
    "SealNode",
    "SealRollback",
    "SealShape",
    "SealState",
    "Secret",
    "SecretKind",
    "SecurityEvent",
    "Sender",
    "SenderKey",
    "SenderProfileVersion",
    "Signature",
    "Site",
    "SourceVerification",
    "Study",
    "StudyRecord",
    "Subject",
    "SubjectIdentifier",
    "Transfusion",
    "UnlockRequest",
    "UnlockVerdict",
    "VaultAccess",
]
