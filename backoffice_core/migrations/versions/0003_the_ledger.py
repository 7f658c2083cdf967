"""Leases, the call that could not be settled, and what the claim needs to stay quick with a long queue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    stamp = postgresql.TIMESTAMP(timezone=True)
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("taken_at", stamp, nullable=False),
        sa.Column("expires_at", stamp, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    # A function, because each of its statements sees what was committed before it: the gate first, then the row.
    op.execute(
        "CREATE FUNCTION lease_gate(lease text) RETURNS bigint IMMUTABLE LANGUAGE sql "
        "RETURN hashtextextended('lease:' || lease, 0)"
    )
    op.execute("""
        CREATE FUNCTION lease_holds(lease text, who text, its_fence bigint) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(lease_gate(lease));
            RETURN EXISTS (SELECT FROM leases l WHERE l.name = lease AND l.holder = who AND l.fence = its_fence
                           AND l.expires_at > clock_timestamp());
        END $$
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION lease_holds(text, text, bigint)")
    op.execute("DROP FUNCTION lease_gate(text)")
    op.drop_table("leases")
