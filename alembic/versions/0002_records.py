"""The tables of the trial's records."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_record",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_record")),
    )
    op.create_table(
        "study",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_study")),
        sa.UniqueConstraint("key", name=op.f("uq_study_key")),
    )
    op.create_table(
        "operation",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_operation_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_operation")),
    )
    op.create_table(
        "change",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("old", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("new", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "action IN ('insert', 'update', 'delete')", name=op.f("ck_change_action")
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_change_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.study_id"], name=op.f("fk_change_study_id")),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_change")),
    )
    op.create_index(
        op.f("ix_change_study_id_operation_id"),
        "change",
        ["study_id", "operation_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_change_study_id_table_name_record_id_id"),
        "change",
        ["study_id", "table_name", "record_id", "id"],
        unique=False,
    )
    op.create_table(
        "principal",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_principal_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_principal_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_principal")),
        sa.UniqueConstraint(
            "study_id", "issuer", "subject", name=op.f("uq_principal_study_id_issuer_subject")
        ),
    )
    op.create_table(
        "product_lot",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.Text(), nullable=False),
        sa.Column("manufactured_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("viability_percent", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("cells_per_bag", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("bag_volume_ml", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("released", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("release_tests", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_product_lot_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_product_lot_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_product_lot")),
        sa.UniqueConstraint(
            "study_id", "lot_number", name=op.f("uq_product_lot_study_id_lot_number")
        ),
    )
    op.create_table(
        "protocol_version",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_protocol_version_number")),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_protocol_version_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_protocol_version_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_protocol_version")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_protocol_version_study_id_number")),
    )
    op.create_table(
        "site",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_site_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.study_id"], name=op.f("fk_site_study_id")),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_site")),
        sa.UniqueConstraint("study_id", "code", name=op.f("uq_site_study_id_code")),
    )
    op.create_table(
        "escalation_decision",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("dose_level", sa.Text(), nullable=True),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("protocol_version_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recommendation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_escalation_decision_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "proposed_by"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_escalation_decision_study_id_proposed_by"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "protocol_version_id"],
            ["protocol_version.study_id", "protocol_version.id"],
            name=op.f("fk_escalation_decision_study_id_protocol_version_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_escalation_decision_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_escalation_decision")),
        sa.UniqueConstraint(
            "study_id",
            "id",
            "proposed_by",
            name=op.f("uq_escalation_decision_study_id_id_proposed_by"),
        ),
        sa.UniqueConstraint(
            "study_id", "round", name=op.f("uq_escalation_decision_study_id_round")
        ),
    )
    op.create_table(
        "protocol_activation",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("protocol_version_id", sa.Uuid(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("activated_by", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "activated_by"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_protocol_activation_study_id_activated_by"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_protocol_activation_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "protocol_version_id"],
            ["protocol_version.study_id", "protocol_version.id"],
            name=op.f("fk_protocol_activation_study_id_protocol_version_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_protocol_activation_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_protocol_activation")),
        sa.UniqueConstraint(
            "study_id",
            "protocol_version_id",
            name=op.f("uq_protocol_activation_study_id_protocol_version_id"),
        ),
    )
    op.create_table(
        "role_grant",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "principal_investigator",
                "sub_investigator",
                "study_coordinator",
                "data_manager",
                "monitor",
                "cell_laboratory",
                "laboratory_system",
                "sponsor",
                "safety_committee",
                "auditor",
                "administrator",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "valid_until IS NULL OR valid_until > valid_from", name=op.f("ck_role_grant_validity")
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_role_grant_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "principal_id"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_role_grant_study_id_principal_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "site_id"],
            ["site.study_id", "site.id"],
            name=op.f("fk_role_grant_study_id_site_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_role_grant_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_role_grant")),
    )
    op.create_index(
        op.f("ix_role_grant_study_id_principal_id"),
        "role_grant",
        ["study_id", "principal_id"],
        unique=False,
    )
    op.create_table(
        "subject",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Uuid(), nullable=False),
        sa.Column(
            "sex",
            sa.Enum(
                "female", "male", name="sex", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("birth_year", sa.Integer(), nullable=False),
        sa.Column("age_at_consent", sa.Integer(), nullable=True),
        sa.Column("childbearing_potential", sa.Boolean(), nullable=True),
        sa.Column("consent_date", sa.Date(), nullable=True),
        sa.Column("consent_version", sa.Text(), nullable=True),
        sa.Column("screening_date", sa.Date(), nullable=False),
        sa.Column(
            "disease",
            sa.Enum(
                "acute_lymphoblastic_leukemia",
                "lymphoma",
                "multiple_myeloma",
                "other",
                name="disease",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("car_t_product", sa.Text(), nullable=True),
        sa.Column("car_t_date", sa.Date(), nullable=True),
        sa.Column("car_t_was_investigational", sa.Boolean(), nullable=True),
        sa.Column("had_allogeneic_transplant", sa.Boolean(), nullable=True),
        sa.Column("allogeneic_transplant_date", sa.Date(), nullable=True),
        sa.Column("has_copd", sa.Boolean(), nullable=True),
        sa.Column("weight_kg", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("planned_first_infusion_date", sa.Date(), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("birth_year BETWEEN 1900 AND 2100", name=op.f("ck_subject_birth_year")),
        sa.CheckConstraint("weight_kg IS NULL OR weight_kg > 0", name=op.f("ck_subject_weight_kg")),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_subject_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "site_id"],
            ["site.study_id", "site.id"],
            name=op.f("fk_subject_study_id_site_id"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.study_id"], name=op.f("fk_subject_study_id")),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_subject")),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_subject_study_id_number")),
    )
    op.create_table(
        "adverse_event",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("term", sa.Text(), nullable=False),
        sa.Column("soc", sa.Text(), nullable=False),
        sa.Column("other_specification", sa.Text(), nullable=True),
        sa.Column("ctcae_version", sa.Text(), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.Column("baseline_grade", sa.Integer(), nullable=True),
        sa.Column("onset_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("aware_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "seriousness", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("expected", sa.Boolean(), nullable=True),
        sa.Column(
            "causality",
            sa.Enum(
                "definite",
                "probable",
                "possible",
                "unlikely",
                "unrelated",
                name="causality",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "causality_premedication",
            sa.Enum(
                "definite",
                "probable",
                "possible",
                "unlikely",
                "unrelated",
                name="causality_premedication",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "causality_car_t",
            sa.Enum(
                "definite",
                "probable",
                "possible",
                "unlikely",
                "unrelated",
                name="causality_car_t",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "causality_disease",
            sa.Enum(
                "definite",
                "probable",
                "possible",
                "unlikely",
                "unrelated",
                name="causality_disease",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "action_taken",
            sa.Enum(
                "none",
                "interrupted",
                "delayed",
                "withdrawn",
                "not_applicable",
                "unknown",
                name="action_taken",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "outcome",
            sa.Enum(
                "recovered",
                "recovering",
                "not_recovered",
                "recovered_with_sequelae",
                "fatal",
                "unknown",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "investigator_declared_dlt",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
        ),
        sa.Column("narrative", sa.Text(), nullable=True),
        sa.Column("retracted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(grade = 5) = (outcome = 'fatal') AND (grade = 5) = ('death' = ANY (seriousness))",
            name=op.f("ck_adverse_event_fatal"),
        ),
        sa.CheckConstraint(
            "baseline_grade BETWEEN 0 AND 5", name=op.f("ck_adverse_event_baseline_grade")
        ),
        sa.CheckConstraint(
            "ended_at IS NULL OR ended_at >= onset_at", name=op.f("ck_adverse_event_ended_at")
        ),
        sa.CheckConstraint("grade BETWEEN 1 AND 5", name=op.f("ck_adverse_event_grade")),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_adverse_event_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_adverse_event_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_adverse_event_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_adverse_event")),
    )
    op.create_index(
        op.f("ix_adverse_event_study_id_subject_id_onset_at"),
        "adverse_event",
        ["study_id", "subject_id", "onset_at"],
        unique=False,
    )
    op.create_table(
        "assessment",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "vital_signs",
                "physical_examination",
                "ecog",
                "ecg",
                "bone_marrow",
                "chimerism",
                "pregnancy_test",
                "infection_screen",
                "response_opinion",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("performed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("retracted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_assessment_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_assessment_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_assessment_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_assessment")),
    )
    op.create_index(
        op.f("ix_assessment_study_id_subject_id_kind_performed_at"),
        "assessment",
        ["study_id", "subject_id", "kind", "performed_at"],
        unique=False,
    )
    op.create_table(
        "attestation",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("criterion", sa.Text(), nullable=False),
        sa.Column("met", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_attestation_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_attestation_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_attestation_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_attestation")),
    )
    op.create_index(
        op.f("ix_attestation_study_id_subject_id_criterion_id"),
        "attestation",
        ["study_id", "subject_id", "criterion", "id"],
        unique=False,
    )
    op.create_table(
        "cohort",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dose_level", sa.Text(), nullable=False),
        sa.Column(
            "phase",
            sa.Enum(
                "escalation",
                "expansion",
                name="phase",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "decision_id"],
            ["escalation_decision.study_id", "escalation_decision.id"],
            name=op.f("fk_cohort_study_id_decision_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_cohort_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.study_id"], name=op.f("fk_cohort_study_id")),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_cohort")),
        sa.UniqueConstraint(
            "study_id", "dose_level", "phase", name=op.f("uq_cohort_study_id_dose_level_phase")
        ),
    )
    op.create_table(
        "concomitant_medication",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "medication_class",
            sa.Enum(
                "g_csf",
                "pegylated_g_csf",
                "tpo_receptor_agonist",
                "erythropoietin",
                "dexamethasone",
                "anticoagulant",
                "antitumor_therapy",
                "stem_cell_boost",
                "hematopoietic_transplant",
                "live_vaccine",
                "investigational_drug",
                "other",
                name="medication_class",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ongoing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("dose", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("dose_unit", sa.Text(), nullable=True),
        sa.Column("half_life_days", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("indication", sa.Text(), nullable=True),
        sa.Column("retracted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "ended_at IS NULL OR ended_at >= started_at",
            name=op.f("ck_concomitant_medication_ended_at"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_concomitant_medication_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_concomitant_medication_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_concomitant_medication_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_concomitant_medication")),
    )
    op.create_index(
        op.f("ix_concomitant_medication_study_id_subject_id_started_at"),
        "concomitant_medication",
        ["study_id", "subject_id", "started_at"],
        unique=False,
    )
    op.create_table(
        "decision_verdict",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "confirmed",
                "rejected",
                "withdrawn",
                name="verdict",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(verdict = 'withdrawn') = (given_by = proposed_by)",
            name=op.f("ck_decision_verdict_two_persons"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "decision_id", "proposed_by"],
            [
                "escalation_decision.study_id",
                "escalation_decision.id",
                "escalation_decision.proposed_by",
            ],
            name=op.f("fk_decision_verdict_study_id_decision_id_proposed_by"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "given_by"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_decision_verdict_study_id_given_by"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_decision_verdict_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_decision_verdict_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_decision_verdict")),
        sa.UniqueConstraint(
            "study_id", "decision_id", name=op.f("uq_decision_verdict_study_id_decision_id")
        ),
    )
    op.create_table(
        "disposition",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column(
            "event",
            sa.Enum(
                "screen_failed",
                "withdrew_treatment",
                "withdrew_consent",
                "lost_to_follow_up",
                "died",
                "relapse_or_new_therapy",
                "pregnancy",
                "investigator_decision",
                "sponsor_decision",
                "completed",
                name="event",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("event_date", sa.Date(), nullable=False),
        sa.Column("contact_attempts", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_disposition_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_disposition_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_disposition_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_disposition")),
        sa.UniqueConstraint(
            "study_id", "subject_id", "event", name=op.f("uq_disposition_study_id_subject_id_event")
        ),
    )
    op.create_table(
        "infusion",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("dose_level", sa.Text(), nullable=False),
        sa.Column("planned_date", sa.Date(), nullable=False),
        sa.Column("weight_kg", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("planned_cells", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("planned_volume_ml", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("planned_bags", sa.Integer(), nullable=False),
        sa.Column("prescribed_by", sa.Uuid(), nullable=False),
        sa.Column("premedication_drug", sa.Text(), nullable=True),
        sa.Column("premedication_dose_mg", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("premedication_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("thawed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("volume_ml", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("cells", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("viability_percent", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column(
            "interruptions",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
        sa.Column("cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_infusion_number")),
        sa.CheckConstraint(
            "stopped_at IS NULL OR stopped_at >= started_at", name=op.f("ck_infusion_stopped_at")
        ),
        sa.CheckConstraint(
            "volume_ml IS NULL OR volume_ml >= 0", name=op.f("ck_infusion_volume_ml")
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_infusion_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "prescribed_by"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_infusion_study_id_prescribed_by"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_infusion_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_infusion_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_infusion")),
        sa.UniqueConstraint(
            "study_id", "subject_id", "number", name=op.f("uq_infusion_study_id_subject_id_number")
        ),
    )
    op.create_table(
        "lab_result",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("result_id", sa.Uuid(), nullable=False),
        sa.Column("result_version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("specimen", sa.Text(), nullable=False),
        sa.Column("accession", sa.Text(), nullable=True),
        sa.Column("analyte", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "preliminary",
                "final",
                "corrected",
                "amended",
                "cancelled",
                "entered_in_error",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("collected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("value", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column(
            "comparator",
            sa.Enum(
                "<",
                "<=",
                ">=",
                ">",
                name="comparator",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("lln", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("uln", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column(
            "finding",
            sa.Enum(
                "negative",
                "positive",
                "indeterminate",
                name="finding",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("original_value", sa.Text(), nullable=True),
        sa.Column("original_unit", sa.Text(), nullable=True),
        sa.Column("original_lln", sa.Text(), nullable=True),
        sa.Column("original_uln", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('cancelled', 'entered_in_error') OR value IS NOT NULL OR finding IS NOT NULL",
            name=op.f("ck_lab_result_has_content"),
        ),
        sa.CheckConstraint(
            "(value IS NULL) = (unit IS NULL)", name=op.f("ck_lab_result_unit_with_value")
        ),
        sa.CheckConstraint(
            "comparator IS NULL OR value IS NOT NULL",
            name=op.f("ck_lab_result_comparator_with_value"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_lab_result_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_lab_result_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_lab_result_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_lab_result")),
        sa.UniqueConstraint(
            "study_id",
            "result_id",
            "result_version",
            name=op.f("uq_lab_result_study_id_result_id_result_version"),
        ),
        sa.UniqueConstraint(
            "study_id",
            "subject_id",
            "source",
            "specimen",
            "analyte",
            "result_version",
            name="uq_lab_result_natural_key",
        ),
    )
    op.create_index(
        op.f("ix_lab_result_study_id_subject_id_analyte_collected_at"),
        "lab_result",
        ["study_id", "subject_id", "analyte", "collected_at"],
        unique=False,
    )
    op.create_table(
        "transfusion",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column(
            "product",
            sa.Enum(
                "red_cells",
                "platelets",
                "whole_blood",
                "granulocytes",
                "plasma",
                name="product",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("units", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("retracted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("units IS NULL OR units > 0", name=op.f("ck_transfusion_units")),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_transfusion_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_transfusion_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_transfusion_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_transfusion")),
    )
    op.create_index(
        op.f("ix_transfusion_study_id_subject_id_given_at"),
        "transfusion",
        ["study_id", "subject_id", "given_at"],
        unique=False,
    )
    op.create_table(
        "dlt_adjudication",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("adverse_event_id", sa.Uuid(), nullable=False),
        sa.Column("adverse_event_version", sa.Integer(), nullable=False),
        sa.Column("is_dlt", sa.Boolean(), nullable=False),
        sa.Column("rationale", sa.Text(), nullable=False),
        sa.Column("adjudicated_by", sa.Uuid(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "adjudicated_by"],
            ["principal.study_id", "principal.id"],
            name=op.f("fk_dlt_adjudication_study_id_adjudicated_by"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "adverse_event_id"],
            ["adverse_event.study_id", "adverse_event.id"],
            name=op.f("fk_dlt_adjudication_study_id_adverse_event_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_dlt_adjudication_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_dlt_adjudication_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_dlt_adjudication")),
    )
    op.create_index(
        op.f("ix_dlt_adjudication_study_id_adverse_event_id_id"),
        "dlt_adjudication",
        ["study_id", "adverse_event_id", "id"],
        unique=False,
    )
    op.create_table(
        "enrolment",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("cohort_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("replaces_id", sa.Uuid(), nullable=True),
        sa.Column("protocol_version_id", sa.Uuid(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("evidence_digest", sa.Text(), nullable=False),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("slot BETWEEN 1 AND 6", name=op.f("ck_enrolment_slot")),
        sa.ForeignKeyConstraint(
            ["study_id", "cohort_id"],
            ["cohort.study_id", "cohort.id"],
            name=op.f("fk_enrolment_study_id_cohort_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_enrolment_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "protocol_version_id"],
            ["protocol_version.study_id", "protocol_version.id"],
            name=op.f("fk_enrolment_study_id_protocol_version_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "replaces_id"],
            ["enrolment.study_id", "enrolment.id"],
            name=op.f("fk_enrolment_study_id_replaces_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "subject_id"],
            ["subject.study_id", "subject.id"],
            name=op.f("fk_enrolment_study_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_enrolment_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_enrolment")),
        sa.UniqueConstraint(
            "study_id", "replaces_id", name=op.f("uq_enrolment_study_id_replaces_id")
        ),
        sa.UniqueConstraint(
            "study_id", "subject_id", name=op.f("uq_enrolment_study_id_subject_id")
        ),
    )
    op.create_index(
        "uq_enrolment_slot",
        "enrolment",
        ["study_id", "cohort_id", "slot"],
        unique=True,
        postgresql_where=sa.text("replaces_id IS NULL"),
    )
    op.create_table(
        "product_bag",
        sa.Column("study_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("bag_number", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "available",
                "allocated",
                "infused",
                "discarded",
                name="status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            server_default=sa.text("'available'"),
            nullable=False,
        ),
        sa.Column("infusion_id", sa.Uuid(), nullable=True),
        sa.Column("discarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "operation_id", sa.Uuid(), server_default=sa.text("current_operation()"), nullable=False
        ),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint(
            "(status = 'available') <= (infusion_id IS NULL) AND (status IN ('allocated', 'infused')) <= (infusion_id IS NOT NULL)",
            name=op.f("ck_product_bag_infusion_by_status"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "infusion_id"],
            ["infusion.study_id", "infusion.id"],
            name=op.f("fk_product_bag_study_id_infusion_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "lot_id"],
            ["product_lot.study_id", "product_lot.id"],
            name=op.f("fk_product_bag_study_id_lot_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "operation_id"],
            ["operation.study_id", "operation.id"],
            name=op.f("fk_product_bag_study_id_operation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.study_id"], name=op.f("fk_product_bag_study_id")
        ),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_product_bag")),
        sa.UniqueConstraint(
            "study_id",
            "lot_id",
            "bag_number",
            name=op.f("uq_product_bag_study_id_lot_id_bag_number"),
        ),
    )


def downgrade() -> None:
    op.drop_table("product_bag")
    op.drop_index(
        "uq_enrolment_slot", table_name="enrolment", postgresql_where=sa.text("replaces_id IS NULL")
    )
    op.drop_table("enrolment")
    op.drop_index(
        op.f("ix_dlt_adjudication_study_id_adverse_event_id_id"), table_name="dlt_adjudication"
    )
    op.drop_table("dlt_adjudication")
    op.drop_index(op.f("ix_transfusion_study_id_subject_id_given_at"), table_name="transfusion")
    op.drop_table("transfusion")
    op.drop_index(
        op.f("ix_lab_result_study_id_subject_id_analyte_collected_at"), table_name="lab_result"
    )
    op.drop_table("lab_result")
    op.drop_table("infusion")
    op.drop_table("disposition")
    op.drop_table("decision_verdict")
    op.drop_index(
        op.f("ix_concomitant_medication_study_id_subject_id_started_at"),
        table_name="concomitant_medication",
    )
    op.drop_table("concomitant_medication")
    op.drop_table("cohort")
    op.drop_index(op.f("ix_attestation_study_id_subject_id_criterion_id"), table_name="attestation")
    op.drop_table("attestation")
    op.drop_index(
        op.f("ix_assessment_study_id_subject_id_kind_performed_at"), table_name="assessment"
    )
    op.drop_table("assessment")
    op.drop_index(op.f("ix_adverse_event_study_id_subject_id_onset_at"), table_name="adverse_event")
    op.drop_table("adverse_event")
    op.drop_table("subject")
    op.drop_index(op.f("ix_role_grant_study_id_principal_id"), table_name="role_grant")
    op.drop_table("role_grant")
    op.drop_table("protocol_activation")
    op.drop_table("escalation_decision")
    op.drop_table("site")
    op.drop_table("protocol_version")
    op.drop_table("product_lot")
    op.drop_table("principal")
    op.drop_index(op.f("ix_change_study_id_table_name_record_id_id"), table_name="change")
    op.drop_index(op.f("ix_change_study_id_operation_id"), table_name="change")
    op.drop_table("change")
    op.drop_table("operation")
    op.drop_table("study")
    op.drop_table("idempotency_record")
