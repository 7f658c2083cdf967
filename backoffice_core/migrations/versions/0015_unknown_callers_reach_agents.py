"""A call to us may belong to nobody yet: an agent takes it and chooses the person."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_CHOSEN_LATER = ("case_id", "person_id", "contact_point_id")


def upgrade() -> None:
    for column in _CHOSEN_LATER:
        op.alter_column("call_attempts", column, nullable=True)
    op.create_check_constraint(
        op.f("ck_call_attempts_whose"), "call_attempts",
        "direction = 'in' OR (case_id IS NOT NULL AND person_id IS NOT NULL AND contact_point_id IS NOT NULL)",
    )  # fmt: skip
    op.alter_column("recordings", "case_id", nullable=True)
    op.add_column("unknown_callers", sa.Column("call_id", sa.UUID(), nullable=True))
    op.alter_column("recording_deletions", "case_id", nullable=True)


def downgrade() -> None:
    op.drop_column("unknown_callers", "call_id")
    op.execute("DELETE FROM recording_deletions WHERE case_id IS NULL")
    op.execute("DELETE FROM recordings WHERE case_id IS NULL")
    op.execute("DELETE FROM call_attempts WHERE case_id IS NULL OR person_id IS NULL OR contact_point_id IS NULL")
    op.alter_column("recording_deletions", "case_id", nullable=False)
    op.alter_column("recordings", "case_id", nullable=False)
    op.drop_constraint(op.f("ck_call_attempts_whose"), "call_attempts")
    for column in _CHOSEN_LATER:
        op.alter_column("call_attempts", column, nullable=False)
