"""Verdicts on numbers: what led to them, dated terms, and evidence that a trunk can be judged by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contact_points", sa.Column("state_facts", postgresql.JSONB(), nullable=True))
    op.add_column("phone_evidence", sa.Column("rang_s", sa.Integer(), nullable=True))
    op.add_column("phone_evidence", sa.Column("lived", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_phone_evidence_trunk", "phone_evidence", ["trunk", "at"], postgresql_where=sa.text("trunk <> ''")
    )
    op.create_table(
        "number_terms",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Numeric(12, 4), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_number_terms")),
    )


def downgrade() -> None:
    op.drop_table("number_terms")
    op.drop_index("ix_phone_evidence_trunk", "phone_evidence")
    op.drop_column("phone_evidence", "lived")
    op.drop_column("phone_evidence", "rang_s")
    op.drop_column("contact_points", "state_facts")
