"""What clients of the API were told under an Idempotency-Key, and the order in which lines of cases were committed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

FEED = "kind IN ('promise', 'plan', 'call', 'outcome')"


def upgrade() -> None:
    op.create_table(
        "api_answers",
        sa.Column("client", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("answer", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("client", "key", name=op.f("pk_api_answers")),
    )
    op.create_index(op.f("ix_api_answers_at"), "api_answers", ["at"])
    # first without a function, which would write the whole table anew
    op.add_column("case_events", sa.Column("xid", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.alter_column("case_events", "xid", server_default=sa.text("CAST(CAST(pg_current_xact_id() AS text) AS bigint)"))
    op.create_index("ix_case_events_feed", "case_events", ["kind", "xid", "id"], postgresql_where=sa.text(FEED))


def downgrade() -> None:
    op.drop_index("ix_case_events_feed", table_name="case_events")
    op.drop_column("case_events", "xid")
    op.drop_table("api_answers")
