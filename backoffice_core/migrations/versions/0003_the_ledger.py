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

    # One live attempt per person and per number is decided behind two locks, the smaller first: two callers never wait
    # for each other. What is read in the next statement was committed before.
    op.execute("""
        CREATE FUNCTION slot_gate(person uuid, number text) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            one bigint := hashtextextended('person:' || person, 0);
            other bigint := hashtextextended('number:' || number, 0);
        BEGIN
            PERFORM pg_advisory_xact_lock(least(one, other));
            PERFORM pg_advisory_xact_lock(greatest(one, other));
        END $$
    """)
    # Tasks that wait for their hour stand in an index of their own: the claim never walks past them.
    op.drop_index("ix_call_tasks_callable", table_name="call_tasks")
    op.create_index(
        "ix_call_tasks_callable", "call_tasks", ["business_date", "position"],
        postgresql_where=sa.text("state IN ('ELIGIBLE','RETRY_WAIT') AND earliest_at IS NULL"),
    )  # fmt: skip
    op.create_index(
        "ix_call_tasks_waiting", "call_tasks", ["business_date", "earliest_at"],
        postgresql_where=sa.text("state IN ('ELIGIBLE','RETRY_WAIT') AND earliest_at IS NOT NULL"),
    )  # fmt: skip
    # A claimed task leaves a dead entry at the head of the queue; they are cleared long before a fifth of it is dead.
    op.execute(
        "ALTER TABLE call_tasks SET (autovacuum_vacuum_scale_factor = 0.005, autovacuum_vacuum_threshold = 2000)"
    )
    op.add_column("call_attempts", sa.Column("problem", sa.Text(), server_default="", nullable=False))
    op.create_index(
        "ix_call_attempts_unknown", "call_attempts", ["claimed_at"],
        postgresql_where=sa.text("result = 'UNKNOWN' OR problem <> ''"),
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_call_attempts_unknown", table_name="call_attempts")
    op.drop_column("call_attempts", "problem")
    op.execute("ALTER TABLE call_tasks RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)")
    op.drop_index("ix_call_tasks_waiting", table_name="call_tasks")
    op.drop_index("ix_call_tasks_callable", table_name="call_tasks")
    op.create_index(
        "ix_call_tasks_callable", "call_tasks", ["business_date", "position"],
        postgresql_where=sa.text("state IN ('ELIGIBLE','RETRY_WAIT')"),
    )  # fmt: skip
    op.execute("DROP FUNCTION slot_gate(uuid, text)")
    op.execute("DROP FUNCTION lease_holds(text, text, bigint)")
    op.execute("DROP FUNCTION lease_gate(text)")
    op.drop_table("leases")
