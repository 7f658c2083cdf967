"""Strategies in versions, and every step that was due with what became of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_STAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "strategy_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content", _JSON, nullable=False),
        sa.Column("live_from", sa.Date(), nullable=True),
        sa.Column("live_to", sa.Date(), nullable=True),
        sa.Column("editors", _JSON, nullable=False),
        sa.Column("changed_at", _STAMP, nullable=False),
        sa.Column("submitted_by", sa.Text(), nullable=False),
        sa.Column("submitted_at", _STAMP, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", _STAMP, nullable=True),
        sa.Column("decided_why", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('DRAFT','SUBMITTED','APPROVED','WITHDRAWN')", name=op.f("ck_strategy_versions_state")
        ),
        sa.CheckConstraint("live_to IS NULL OR live_to >= live_from", name=op.f("ck_strategy_versions_live")),
        sa.UniqueConstraint("strategy", "version", name=op.f("uq_strategy_versions_strategy_version")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strategy_versions")),
    )
    op.create_index(
        "uq_strategy_versions_draft", "strategy_versions", ["strategy"], unique=True,
        postgresql_where=sa.text("state IN ('DRAFT','SUBMITTED')"),
    )  # fmt: skip
    op.create_table(
        "step_dues",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fallback_of", sa.Text(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("starts_at", _STAMP, nullable=False),
        sa.Column("deadline", sa.Date(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("task_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("skipped_on", sa.Date(), nullable=True),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("done_at", _STAMP, nullable=True),
        sa.Column("done_by", sa.Uuid(), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("evidence_id", sa.Text(), nullable=False),
        sa.Column("created_at", _STAMP, nullable=False),
        sa.CheckConstraint("state IN ('OPEN','DONE','LATE','SKIPPED')", name=op.f("ck_step_dues_state")),
        sa.CheckConstraint("state <> 'SKIPPED' OR skipped_on <= deadline", name=op.f("ck_step_dues_skipped")),
        sa.CheckConstraint("(skipped_on IS NULL) = (reason = '')", name=op.f("ck_step_dues_reason")),
        sa.CheckConstraint("state <> 'DONE' OR done_on <= deadline", name=op.f("ck_step_dues_done")),
        sa.CheckConstraint("deadline >= due_date", name=op.f("ck_step_dues_deadline")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_step_dues_case_id")),
        sa.ForeignKeyConstraint(["version_id"], ["strategy_versions.id"], name=op.f("fk_step_dues_version_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_step_dues_task_id")),
        sa.UniqueConstraint(
            "case_id", "version_id", "step", "since", name=op.f("uq_step_dues_case_id_version_id_step_since")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_step_dues")),
    )
    op.create_index(
        "ix_step_dues_waiting", "step_dues", ["kind"],
        postgresql_where=sa.text("done_on IS NULL AND skipped_on IS NULL"),
    )  # fmt: skip
    op.create_index(op.f("ix_step_dues_due_date"), "step_dues", ["due_date"])
    op.create_index("ix_step_dues_task", "step_dues", ["task_id"], postgresql_where=sa.text("task_id IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("step_dues")
    op.drop_table("strategy_versions")
