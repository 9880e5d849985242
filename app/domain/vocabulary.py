"""The words of the trial: enumerations shared by every layer, in the field's standard terms."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class Sex(StrEnum):
    """Sex as recorded for the trial (CDISC SEX)."""

    FEMALE = "female"
    MALE = "male"


class Disease(StrEnum):
    """The diseases that inclusion criterion I3 names."""

    ACUTE_LYMPHOBLASTIC_LEUKEMIA = "acute_lymphoblastic_leukemia"
    LYMPHOMA = "lymphoma"
    MULTIPLE_MYELOMA = "multiple_myeloma"
    OTHER = "other"


class SubjectStatus(StrEnum):
    """Where a subject stands; derived from enrolment, infusions and disposition."""

    SCREENING = "screening"
    SCREEN_FAILED = "screen_failed"
    ENROLLED = "enrolled"
    ON_TREATMENT = "on_treatment"
    IN_FOLLOW_UP = "in_follow_up"
    WITHDREW_TREATMENT = "withdrew_treatment"
    COMPLETED = "completed"
    WITHDREW_CONSENT = "withdrew_consent"
    LOST_TO_FOLLOW_UP = "lost_to_follow_up"
    DIED = "died"
    DISCONTINUED = "discontinued"


class DispositionEvent(StrEnum):
    """How a subject leaves the trial or its treatment (CDISC DS)."""

    SCREEN_FAILED = "screen_failed"
    WITHDREW_TREATMENT = "withdrew_treatment"
    WITHDREW_CONSENT = "withdrew_consent"
    LOST_TO_FOLLOW_UP = "lost_to_follow_up"
    DIED = "died"
    RELAPSE_OR_NEW_THERAPY = "relapse_or_new_therapy"
    PREGNANCY = "pregnancy"
    INVESTIGATOR_DECISION = "investigator_decision"
    SPONSOR_DECISION = "sponsor_decision"
    COMPLETED = "completed"


class CohortPhase(StrEnum):
    """The two phases of the design."""

    ESCALATION = "escalation"
    EXPANSION = "expansion"


class LabStatus(StrEnum):
    """Status of a laboratory result (HL7 table 0085, FHIR observation-status)."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    CORRECTED = "corrected"
    AMENDED = "amended"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered_in_error"


USABLE_LAB_STATUSES = frozenset({LabStatus.FINAL, LabStatus.CORRECTED, LabStatus.AMENDED})


class Finding(StrEnum):
    """A qualitative laboratory result."""

    NEGATIVE = "negative"
    POSITIVE = "positive"
    INDETERMINATE = "indeterminate"


class TimePrecision(StrEnum):
    """How precisely a sender told a time; a day stands for its first instant."""

    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"
    SECOND = "second"

    @property
    def span(self) -> timedelta:
        """Give how much time the told time covers."""
        return timedelta(**{f"{self.value}s": 1})


class IdentifierKind(StrEnum):
    """What kind of identifier a hospital knows a subject, or a subject's specimen, by."""

    PATIENT = "patient"
    SPECIMEN = "specimen"


class TransfusionProduct(StrEnum):
    """Blood products whose transfusion matters to response."""

    RED_CELLS = "red_cells"
    PLATELETS = "platelets"
    WHOLE_BLOOD = "whole_blood"
    GRANULOCYTES = "granulocytes"
    PLASMA = "plasma"


class BagStatus(StrEnum):
    """Where a bag of product is in its life; infused and discarded are final."""

    AVAILABLE = "available"
    ALLOCATED = "allocated"
    INFUSED = "infused"
    DISCARDED = "discarded"


class BagStep(StrEnum):
    """One line of a bag's ledger, in the order of a bag's life.

    `opened` stands for all that was before the ledger began, `recounted` for a corrected content,
    `infusion_retracted` for a bag that was recorded as infused by mistake.
    """

    OPENED = "opened"
    REGISTERED = "registered"
    RECOUNTED = "recounted"
    ALLOCATED = "allocated"
    RETURNED = "returned"
    CHECKED = "checked"
    INFUSED = "infused"
    INFUSION_RETRACTED = "infusion_retracted"
    REMAINDER_DISCARDED = "remainder_discarded"
    DISCARDED = "discarded"


class BagCheckMethod(StrEnum):
    """How it was made sure that a bag is the one meant for an infusion."""

    SCAN = "scan"
    TWO_PERSON = "two_person"


class MedicationClass(StrEnum):
    """Classes of concomitant medication that the rules look at."""

    G_CSF = "g_csf"
    PEGYLATED_G_CSF = "pegylated_g_csf"
    TPO_RECEPTOR_AGONIST = "tpo_receptor_agonist"
    ERYTHROPOIETIN = "erythropoietin"
    DEXAMETHASONE = "dexamethasone"
    ANTICOAGULANT = "anticoagulant"
    ANTITUMOR_THERAPY = "antitumor_therapy"
    STEM_CELL_BOOST = "stem_cell_boost"
    HEMATOPOIETIC_TRANSPLANT = "hematopoietic_transplant"
    LIVE_VACCINE = "live_vaccine"
    INVESTIGATIONAL_DRUG = "investigational_drug"
    OTHER = "other"


class Causality(StrEnum):
    """Relation of an event to a treatment, five levels."""

    DEFINITE = "definite"
    PROBABLE = "probable"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"
    UNRELATED = "unrelated"


class SeriousnessCriterion(StrEnum):
    """What makes an event serious (ICH E2A); seriousness is not severity."""

    DEATH = "death"
    LIFE_THREATENING = "life_threatening"
    HOSPITALIZATION = "hospitalization"
    DISABILITY = "disability"
    CONGENITAL_ANOMALY = "congenital_anomaly"
    MEDICALLY_IMPORTANT = "medically_important"


class AdverseEventOutcome(StrEnum):
    """Outcome of an event (CDISC AEOUT)."""

    RECOVERED = "recovered"
    RECOVERING = "recovering"
    NOT_RECOVERED = "not_recovered"
    RECOVERED_WITH_SEQUELAE = "recovered_with_sequelae"
    FATAL = "fatal"
    UNKNOWN = "unknown"


class ActionTaken(StrEnum):
    """What was done with the study treatment because of an event (CDISC AEACN)."""

    NONE = "none"
    INTERRUPTED = "interrupted"
    DELAYED = "delayed"
    WITHDRAWN = "withdrawn"
    NOT_APPLICABLE = "not_applicable"
    UNKNOWN = "unknown"


class SpecialInterest(StrEnum):
    """Classes of adverse event that the registry record names."""

    INFUSION_REACTION = "infusion_reaction"
    EMBOLISM = "embolism"
    VIRAL_INFECTION = "viral_infection"
    HEPATIC = "hepatic"
    RENAL = "renal"
    COAGULATION = "coagulation"


class AssessmentKind(StrEnum):
    """Kinds of assessment; each has its own validated content."""

    VITAL_SIGNS = "vital_signs"
    PHYSICAL_EXAMINATION = "physical_examination"
    ECOG = "ecog"
    ECG = "ecg"
    BONE_MARROW = "bone_marrow"
    CHIMERISM = "chimerism"
    PREGNANCY_TEST = "pregnancy_test"
    INFECTION_SCREEN = "infection_screen"
    RESPONSE_OPINION = "response_opinion"


class Lineage(StrEnum):
    """The three blood cell lineages of the response criteria."""

    NEUTROPHIL = "neutrophil"
    PLATELET = "platelet"
    HEMOGLOBIN = "hemoglobin"


class Role(StrEnum):
    """Roles that a grant can give to a principal in a study."""

    PRINCIPAL_INVESTIGATOR = "principal_investigator"
    SUB_INVESTIGATOR = "sub_investigator"
    STUDY_COORDINATOR = "study_coordinator"
    DATA_MANAGER = "data_manager"
    MONITOR = "monitor"
    CELL_LABORATORY = "cell_laboratory"
    LABORATORY_SYSTEM = "laboratory_system"
    SPONSOR = "sponsor"
    SAFETY_COMMITTEE = "safety_committee"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
