"""Announcements of networks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_MOMENT = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "announcements",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("heard", sa.Integer(), nullable=False),
        sa.Column("first_heard_at", _MOMENT, nullable=False),
        sa.Column("last_heard_at", _MOMENT, nullable=False),
        sa.Column("named_by", sa.Text(), nullable=False),
        sa.Column("named_at", _MOMENT, nullable=True),
        sa.CheckConstraint(
            "meaning IN ('','ignored','not_in_service','switched_off','forbidden','no_funds','voicemail','ringback')",
            name=op.f("ck_announcements_meaning"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcements")),
    )
    op.create_table(
        "announcement_sounds",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("announcement_id", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("seconds", sa.Numeric(6, 2), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["announcement_id"], ["announcements.id"], ondelete="CASCADE",
            name=op.f("fk_announcement_sounds_announcement_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_announcement_sounds")),
    )  # fmt: skip
    op.create_index(op.f("ix_announcement_sounds_announcement_id"), "announcement_sounds", ["announcement_id"])
    op.add_column("call_attempts", sa.Column("announcement", sa.Text(), nullable=True))
    op.add_column("call_attempts", sa.Column("announcement_distance", sa.Numeric(4, 3), nullable=True))
    op.add_column("call_attempts", sa.Column("announcement_id", sa.BigInteger(), nullable=True))
    op.add_column("phone_evidence", sa.Column("announcement", sa.Text(), nullable=False, server_default=""))
    op.alter_column("phone_evidence", "announcement", server_default=None)


def downgrade() -> None:
    op.drop_column("phone_evidence", "announcement")
    for column in ("announcement_id", "announcement_distance", "announcement"):
        op.drop_column("call_attempts", column)
    op.drop_table("announcement_sounds")
    op.drop_table("announcements")
