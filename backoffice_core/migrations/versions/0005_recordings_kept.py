"""Recordings at rest: keys, digests, faults; legal holds; deletions by rule."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOMENT = postgresql.TIMESTAMP(timezone=True)
_JSON = postgresql.JSONB(astext_type=sa.Text())
_FILLED = (
    ("wave_sha256", sa.Text(), sa.text("''")),
    ("key_id", sa.Text(), sa.text("''")),
    ("faults", _JSON, sa.text("'[]'")),
)
_STATES = "'EXPECTED','SEALED','NONE','MISSING'"


def upgrade() -> None:
    for column, kind, value in _FILLED:  # the default stays: programs of the release before still add rows
        op.add_column("recordings", sa.Column(column, kind, nullable=False, server_default=value))
    op.add_column("recordings", sa.Column("wrapped_key", sa.LargeBinary(), nullable=True))
    op.add_column("recordings", sa.Column("agent_clipped", sa.Numeric(5, 2), nullable=True))
    op.add_column("recordings", sa.Column("borrower_clipped", sa.Numeric(5, 2), nullable=True))
    op.drop_constraint(op.f("ck_recordings_state"), "recordings", type_="check")
    op.create_check_constraint(op.f("ck_recordings_state"), "recordings", f"state IN ({_STATES},'DELETED')")
    # talks that lie as plain wave files are sealed anew by the worker
    op.execute("UPDATE recordings SET state = 'EXPECTED', sealed_at = NULL WHERE state = 'SEALED'")
    op.create_index(
        "ix_recordings_sealed", "recordings", ["created_at"], unique=False, postgresql_where="state = 'SEALED'"
    )
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", _MOMENT, nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", _MOMENT, nullable=True),
        sa.Column("lift_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(case_id IS NULL) <> (call_id IS NULL)", name=op.f("ck_legal_holds_subject")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_holds")),
    )
    op.create_index(op.f("ix_legal_holds_case_id"), "legal_holds", ["case_id"], unique=False)
    op.create_index(op.f("ix_legal_holds_call_id"), "legal_holds", ["call_id"], unique=False)
    op.create_table(
        "recording_deletions",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Numeric(10, 3), nullable=False),
        sa.Column("called_at", _MOMENT, nullable=False),
        sa.Column("rule_id", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("rule", _JSON, nullable=False),
        sa.Column("deleted_at", _MOMENT, nullable=False),
        sa.Column("files_gone_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_recording_deletions")),
    )


def downgrade() -> None:
    op.drop_table("recording_deletions")
    op.drop_table("legal_holds")
    op.drop_index("ix_recordings_sealed", table_name="recordings")
    op.execute("UPDATE recordings SET state = 'MISSING' WHERE state = 'DELETED'")
    op.drop_constraint(op.f("ck_recordings_state"), "recordings", type_="check")
    op.create_check_constraint(op.f("ck_recordings_state"), "recordings", f"state IN ({_STATES})")
    for column in ("wrapped_key", "agent_clipped", "borrower_clipped", *(name for name, _, _ in _FILLED)):
        op.drop_column("recordings", column)
