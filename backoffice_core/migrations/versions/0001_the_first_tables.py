"""The tables of the first true call: staff, borrowers, loans, cases, compliance, promises, the call centre, the night."""

# ruff: noqa: E501, PLR0915 (written by alembic)
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "compliance_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("contact", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("allow", sa.Boolean(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("next_allowed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("must", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("consulted", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_compliance_decisions")),
    )
    op.create_index(op.f("ix_compliance_decisions_call_id"), "compliance_decisions", ["call_id"], unique=False)
    op.create_index(
        op.f("ix_compliance_decisions_person_id_at"), "compliance_decisions", ["person_id", "at"], unique=False
    )
    op.create_table(
        "compliance_rules",
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("row", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("loaded_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("loaded_by", sa.Text(), nullable=False),
        sa.CheckConstraint("version > 0", name=op.f("ck_compliance_rules_version")),
        sa.PrimaryKeyConstraint("rule_id", "version", name=op.f("pk_compliance_rules")),
    )
    op.create_table(
        "contact_ledger",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Boolean(), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("machine_message", sa.Boolean(), nullable=False),
        sa.Column("abandoned", sa.Boolean(), nullable=False),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("minutes", sa.Numeric(precision=10, scale=2), nullable=True),
        sa.Column("exceptions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.CheckConstraint("direction IN ('outbound', 'inbound')", name=op.f("ck_contact_ledger_direction")),
        sa.CheckConstraint("state IN ('RESERVED', 'COMMITTED', 'FREED')", name=op.f("ck_contact_ledger_state")),
        sa.CheckConstraint("(source IS NULL) = (source_id IS NULL)", name=op.f("ck_contact_ledger_source")),
        sa.CheckConstraint("minutes >= 0", name=op.f("ck_contact_ledger_minutes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_ledger")),
        sa.UniqueConstraint("call_id", name=op.f("uq_contact_ledger_call_id")),
        sa.UniqueConstraint("source", "source_id", name=op.f("uq_contact_ledger_source_source_id")),
    )
    op.create_index(op.f("ix_contact_ledger_number_at"), "contact_ledger", ["number", "at"], unique=False)
    op.create_index(op.f("ix_contact_ledger_person_id_at"), "contact_ledger", ["person_id", "at"], unique=False)
    op.create_index(
        "uq_contact_ledger_live_number",
        "contact_ledger",
        ["number"],
        unique=True,
        postgresql_where=sa.text("state = 'RESERVED' AND direction = 'outbound' AND channel IN ('call', 'robot')"),
    )
    op.create_index(
        "uq_contact_ledger_live_person",
        "contact_ledger",
        ["person_id"],
        unique=True,
        postgresql_where=sa.text("state = 'RESERVED' AND direction = 'outbound' AND channel IN ('call', 'robot')"),
    )
    op.create_table(
        "dialing_stops",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("stopped_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("stopped_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dialing_stops")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("imported_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.UniqueConstraint("digest", name=op.f("uq_imports_digest")),
    )
    op.create_table(
        "night_steps",
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("finished", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("state IN ('RUNNING','DONE')", name=op.f("ck_night_steps_state")),
        sa.PrimaryKeyConstraint("business_date", "step", name=op.f("pk_night_steps")),
    )
    op.create_table(
        "persons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_ref", sa.Text(), nullable=False),
        sa.Column("last_name", sa.Text(), nullable=False),
        sa.Column("first_name", sa.Text(), nullable=False),
        sa.Column("middle_name", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("tax_id", sa.Text(), nullable=False),
        sa.Column("code_word", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
        sa.UniqueConstraint("external_ref", name=op.f("uq_persons_external_ref")),
    )
    op.create_table(
        "recordings",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Numeric(precision=10, scale=3), nullable=False),
        sa.Column("agent_dbfs", sa.Numeric(precision=6, scale=1), nullable=True),
        sa.Column("borrower_dbfs", sa.Numeric(precision=6, scale=1), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sealed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('EXPECTED','SEALED','NONE','MISSING')", name=op.f("ck_recordings_state")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_recordings")),
    )
    op.create_index(
        "ix_recordings_expected", "recordings", ["call_id"], unique=False, postgresql_where="state = 'EXPECTED'"
    )
    op.create_table(
        "staff_access",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_access")),
    )
    op.create_index(op.f("ix_staff_access_case_id_at"), "staff_access", ["case_id", "at"], unique=False)
    op.create_table(
        "staff_users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("full_name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("extension", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("robot", sa.Boolean(), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("locked_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('agent','supervisor','manager','admin')", name=op.f("ck_staff_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_users")),
        sa.UniqueConstraint("extension", name=op.f("uq_staff_users_extension")),
        sa.UniqueConstraint("login", name=op.f("uq_staff_users_login")),
    )
    op.create_table(
        "work_calendar",
        sa.Column("jurisdiction", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("working", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "updated_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("jurisdiction", "day", name=op.f("pk_work_calendar")),
    )
    op.create_table(
        "agent_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("wants_pause", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("line_wanted", sa.Boolean(), nullable=False),
        sa.Column("line_n", sa.Integer(), nullable=False),
        sa.Column("line_channel", sa.Text(), nullable=False),
        sa.Column("line_failures", sa.Integer(), nullable=False),
        sa.Column("line_retry_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("line IN ('NONE','CALLING','UP')", name=op.f("ck_agent_sessions_line")),
        sa.CheckConstraint(
            "state IN ('READY','RESERVED','TALKING','WRAP_UP','PAUSED','UNREACHABLE','OFF')",
            name=op.f("ck_agent_sessions_state"),
        ),
        sa.ForeignKeyConstraint(["user_id"], ["staff_users.id"], name=op.f("fk_agent_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_sessions")),
    )
    op.create_index(
        "uq_agent_sessions_open", "agent_sessions", ["user_id"], unique=True, postgresql_where="ended_at IS NULL"
    )
    op.create_table(
        "cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False, start=100001), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("hold_reason", sa.Text(), nullable=False),
        sa.Column("hold_until", sa.Date(), nullable=True),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('NEW','ACTIVE','PROMISED','PLAN','ON_HOLD','TRANSFERRED_SECURITY','PRE_LEGAL','LEGAL','ENFORCEMENT','PLACED','CURED','PAID_OFF','WRITTEN_OFF','RECOVERY','SOLD','CLOSED')",
            name=op.f("ck_cases_state"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_cases_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("number", name=op.f("uq_cases_number")),
    )
    op.create_index("uq_cases_person_open", "cases", ["person_id"], unique=True, postgresql_where="closed_at IS NULL")
    op.create_table(
        "contact_points",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("original", sa.Text(), nullable=False),
        sa.Column("owner_kind", sa.Text(), nullable=False),
        sa.Column("number_type", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("state_since", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('UNVERIFIED','VERIFIED','SUSPECT','DEAD','UNREACHABLE','WRONG_PARTY')",
            name=op.f("ck_contact_points_state"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_contact_points_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_points")),
        sa.UniqueConstraint("person_id", "kind", "value", name=op.f("uq_contact_points_person_id_kind_value")),
    )
    op.create_index(op.f("ix_contact_points_value"), "contact_points", ["value"], unique=False)
    op.create_table(
        "loans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("contract_no", sa.Text(), nullable=False),
        sa.Column("portfolio", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("opened", sa.Date(), nullable=True),
        sa.Column("balance", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("overdue_principal", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("overdue_interest", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("overdue_penalty", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("days_past_due", sa.Integer(), nullable=False),
        sa.Column("next_due", sa.Date(), nullable=True),
        sa.Column("next_amount", sa.Numeric(precision=18, scale=2), nullable=True),
        sa.Column("as_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.CheckConstraint("days_past_due >= 0", name=op.f("ck_loans_days_past_due")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_loans_import_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_loans_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loans")),
        sa.UniqueConstraint("contract_no", name=op.f("uq_loans_contract_no")),
    )
    op.create_index(op.f("ix_loans_person_id"), "loans", ["person_id"], unique=False)
    op.create_table(
        "person_flags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("flag", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_person_flags_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_flags")),
    )
    op.create_index(op.f("ix_person_flags_person_id"), "person_flags", ["person_id"], unique=False)
    op.create_table(
        "staff_logins",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("expires_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["staff_users.id"], name=op.f("fk_staff_logins_user_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_staff_logins")),
    )
    op.create_table(
        "agent_state_changes",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("from_state", sa.Text(), nullable=False),
        sa.Column("to_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["agent_sessions.id"], name=op.f("fk_agent_state_changes_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_state_changes")),
    )
    op.create_index(
        op.f("ix_agent_state_changes_session_id_at"), "agent_state_changes", ["session_id", "at"], unique=False
    )
    op.create_table(
        "call_tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("contact_point_id", sa.Uuid(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("why", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("earliest_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "state IN ('ELIGIBLE','DIALING','SETTLING','RETRY_WAIT','DONE','EXHAUSTED','CANCELLED','UNKNOWN')",
            name=op.f("ck_call_tasks_state"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_call_tasks_case_id")),
        sa.ForeignKeyConstraint(
            ["contact_point_id"], ["contact_points.id"], name=op.f("fk_call_tasks_contact_point_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_call_tasks_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_tasks")),
        sa.UniqueConstraint("business_date", "case_id", name=op.f("uq_call_tasks_business_date_case_id")),
    )
    op.create_index(
        "ix_call_tasks_callable",
        "call_tasks",
        ["business_date", "position"],
        unique=False,
        postgresql_where="state IN ('ELIGIBLE','RETRY_WAIT')",
    )
    op.create_table(
        "case_events",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_events_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_events")),
    )
    op.create_index(op.f("ix_case_events_case_id_at"), "case_events", ["case_id", "at"], unique=False)
    op.create_index(
        "uq_case_events_call", "case_events", ["call_id", "kind"], unique=True, postgresql_where="call_id IS NOT NULL"
    )
    op.create_table(
        "not_callable",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_not_callable_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_not_callable")),
        sa.UniqueConstraint("business_date", "case_id", name=op.f("uq_not_callable_business_date_case_id")),
    )
    op.create_table(
        "phone_evidence",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("contact_point_id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sign", sa.Text(), nullable=False),
        sa.Column("sip_code", sa.Integer(), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_point_id"], ["contact_points.id"], name=op.f("fk_phone_evidence_contact_point_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_evidence")),
        sa.UniqueConstraint("call_id", name=op.f("uq_phone_evidence_call_id")),
    )
    op.create_index(
        op.f("ix_phone_evidence_contact_point_id_at"), "phone_evidence", ["contact_point_id", "at"], unique=False
    )
    op.create_table(
        "promises",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("grace_days", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("state IN ('OPEN','PARTIAL','KEPT','BROKEN','CANCELLED')", name=op.f("ck_promises_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_promises_amount")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_promises_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promises")),
        sa.UniqueConstraint("call_id", name=op.f("uq_promises_call_id")),
    )
    op.create_index(op.f("ix_promises_case_id"), "promises", ["case_id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("control_date", sa.Date(), nullable=False),
        sa.Column("earliest_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("dedupe_key", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('OPEN','DONE','CANCELLED')", name=op.f("ck_tasks_state")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_tasks_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_case_id"), "tasks", ["case_id"], unique=False)
    op.create_index(
        "uq_tasks_open_dedupe",
        "tasks",
        ["dedupe_key"],
        unique=True,
        postgresql_where="state = 'OPEN' AND dedupe_key <> ''",
    )
    op.create_table(
        "call_attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("contact_point_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("caller_id", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("business_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("claimed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ringing_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answered_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reserved_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("bridged_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.Column("agent_session_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("sip_code", sa.Integer(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("abandoned", sa.Boolean(), nullable=False),
        sa.Column("message_played", sa.Boolean(), nullable=False),
        sa.Column("identity_matches", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("identity_misses", sa.Integer(), nullable=False),
        sa.Column("identity_confirmed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("outcome_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("recording", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('INTENT','RINGING','ANSWERED','CONNECTED','SETTLING','ENDED')",
            name=op.f("ck_call_attempts_state"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_call_attempts_case_id")),
        sa.ForeignKeyConstraint(
            ["contact_point_id"], ["contact_points.id"], name=op.f("fk_call_attempts_contact_point_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_call_attempts_person_id")),
        sa.ForeignKeyConstraint(["task_id"], ["call_tasks.id"], name=op.f("fk_call_attempts_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_attempts")),
    )
    op.create_index(
        op.f("ix_call_attempts_case_id_claimed_at"), "call_attempts", ["case_id", "claimed_at"], unique=False
    )
    op.create_index(op.f("ix_call_attempts_claimed_at"), "call_attempts", ["claimed_at"], unique=False)
    op.create_index("ix_call_attempts_live", "call_attempts", ["id"], unique=False, postgresql_where="ended_at IS NULL")
    op.create_index(
        "uq_call_attempts_live_number", "call_attempts", ["number"], unique=True, postgresql_where="ended_at IS NULL"
    )
    op.create_index(
        "uq_call_attempts_live_person", "call_attempts", ["person_id"], unique=True, postgresql_where="ended_at IS NULL"
    )


def downgrade() -> None:
    op.drop_index("uq_call_attempts_live_person", table_name="call_attempts", postgresql_where="ended_at IS NULL")
    op.drop_index("uq_call_attempts_live_number", table_name="call_attempts", postgresql_where="ended_at IS NULL")
    op.drop_index("ix_call_attempts_live", table_name="call_attempts", postgresql_where="ended_at IS NULL")
    op.drop_index(op.f("ix_call_attempts_claimed_at"), table_name="call_attempts")
    op.drop_index(op.f("ix_call_attempts_case_id_claimed_at"), table_name="call_attempts")
    op.drop_table("call_attempts")
    op.drop_index("uq_tasks_open_dedupe", table_name="tasks", postgresql_where="state = 'OPEN' AND dedupe_key <> ''")
    op.drop_index(op.f("ix_tasks_case_id"), table_name="tasks")
    op.drop_table("tasks")
    op.drop_index(op.f("ix_promises_case_id"), table_name="promises")
    op.drop_table("promises")
    op.drop_index(op.f("ix_phone_evidence_contact_point_id_at"), table_name="phone_evidence")
    op.drop_table("phone_evidence")
    op.drop_table("not_callable")
    op.drop_index("uq_case_events_call", table_name="case_events", postgresql_where="call_id IS NOT NULL")
    op.drop_index(op.f("ix_case_events_case_id_at"), table_name="case_events")
    op.drop_table("case_events")
    op.drop_index(
        "ix_call_tasks_callable", table_name="call_tasks", postgresql_where="state IN ('ELIGIBLE','RETRY_WAIT')"
    )
    op.drop_table("call_tasks")
    op.drop_index(op.f("ix_agent_state_changes_session_id_at"), table_name="agent_state_changes")
    op.drop_table("agent_state_changes")
    op.drop_table("staff_logins")
    op.drop_index(op.f("ix_person_flags_person_id"), table_name="person_flags")
    op.drop_table("person_flags")
    op.drop_index(op.f("ix_loans_person_id"), table_name="loans")
    op.drop_table("loans")
    op.drop_index(op.f("ix_contact_points_value"), table_name="contact_points")
    op.drop_table("contact_points")
    op.drop_index("uq_cases_person_open", table_name="cases", postgresql_where="closed_at IS NULL")
    op.drop_table("cases")
    op.drop_index("uq_agent_sessions_open", table_name="agent_sessions", postgresql_where="ended_at IS NULL")
    op.drop_table("agent_sessions")
    op.drop_table("work_calendar")
    op.drop_table("staff_users")
    op.drop_index(op.f("ix_staff_access_case_id_at"), table_name="staff_access")
    op.drop_table("staff_access")
    op.drop_index("ix_recordings_expected", table_name="recordings", postgresql_where="state = 'EXPECTED'")
    op.drop_table("recordings")
    op.drop_table("persons")
    op.drop_table("night_steps")
    op.drop_table("imports")
    op.drop_table("dialing_stops")
    op.drop_index(
        "uq_contact_ledger_live_person",
        table_name="contact_ledger",
        postgresql_where=sa.text("state = 'RESERVED' AND direction = 'outbound' AND channel IN ('call', 'robot')"),
    )
    op.drop_index(
        "uq_contact_ledger_live_number",
        table_name="contact_ledger",
        postgresql_where=sa.text("state = 'RESERVED' AND direction = 'outbound' AND channel IN ('call', 'robot')"),
    )
    op.drop_index(op.f("ix_contact_ledger_person_id_at"), table_name="contact_ledger")
    op.drop_index(op.f("ix_contact_ledger_number_at"), table_name="contact_ledger")
    op.drop_table("contact_ledger")
    op.drop_table("compliance_rules")
    op.drop_index(op.f("ix_compliance_decisions_person_id_at"), table_name="compliance_decisions")
    op.drop_index(op.f("ix_compliance_decisions_call_id"), table_name="compliance_decisions")
    op.drop_table("compliance_decisions")
