"""Restores of the database, and the calls since the restored point that nobody could tie to a person."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "restores",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("restored_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("restored_to", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("backup", sa.Text(), nullable=False),
        sa.Column("restored_by", sa.Text(), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("settled_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restores")),
    )
    op.create_table(
        "restore_findings",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("restore_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Text(), nullable=True),
        sa.Column("accept_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["restore_id"], ["restores.id"], name=op.f("fk_restore_findings_restore_id_restores")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restore_findings")),
        sa.UniqueConstraint(
            "restore_id", "source", "source_id", name=op.f("uq_restore_findings_restore_id_source_source_id")
        ),
    )


def downgrade() -> None:
    op.drop_table("restore_findings")
    op.drop_table("restores")
