"""The audit chain; all inputs of a decision; contacts made elsewhere; clients of the API; calls that a stop-list ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MOMENT = postgresql.TIMESTAMP(timezone=True)
_JSON = postgresql.JSONB(astext_type=sa.Text())

# What must not change says so itself. ALWAYS: also for a session that plays a replica. A superuser can still take the
# trigger away; `backoffice audit verify` finds what he did then.
_KEPT = {
    "audit_log": "UPDATE OR DELETE OR TRUNCATE",
    "compliance_rules": "UPDATE OR DELETE OR TRUNCATE",
    "compliance_books": "UPDATE OR DELETE OR TRUNCATE",
    "compliance_decisions": "UPDATE OR TRUNCATE",
}


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("data", _JSON, nullable=False),
        sa.Column("prev", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
    )
    op.create_table(
        "compliance_books",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("versions", _JSON, nullable=False),
        sa.Column("calendar", _JSON, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("made_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_compliance_books")),
    )
    op.add_column("compliance_decisions", sa.Column("inputs", _JSON, nullable=True))
    op.create_table(
        "contact_sources",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("every_minutes", sa.Integer(), nullable=False),
        sa.Column("covered_to", _MOMENT, nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.CheckConstraint("every_minutes >= 0", name=op.f("ck_contact_sources_every_minutes")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_contact_sources")),
    )
    op.create_table(
        "contacts_unmatched",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("row", _JSON, nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("source", "source_id", name=op.f("pk_contacts_unmatched")),
    )
    # One message to a number of two borrowers counts for both, and once for each.
    op.drop_constraint(op.f("uq_contact_ledger_source_source_id"), "contact_ledger")
    op.create_unique_constraint(
        op.f("uq_contact_ledger_source_source_id_person_id"), "contact_ledger", ["source", "source_id", "person_id"]
    )
    elsewhere = sa.text("source IS NOT NULL")
    op.create_index("ix_contact_ledger_elsewhere", "contact_ledger", ["source", "at"], postgresql_where=elsewhere)
    op.create_table(
        "api_clients",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("scopes", _JSON, nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.CheckConstraint("per_minute > 0", name=op.f("ck_api_clients_per_minute")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_api_clients")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_clients_key_hash")),
    )
    for name in ("cancelled", "cancelled_why"):
        op.add_column("call_attempts", sa.Column(name, sa.Text(), nullable=False, server_default=""))
        op.alter_column("call_attempts", name, server_default=None)
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )
    for table, acts in _KEPT.items():
        op.execute(
            f"CREATE TRIGGER only_grows BEFORE {acts} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER only_grows")


def downgrade() -> None:
    for table in _KEPT:
        op.execute(f"DROP TRIGGER only_grows ON {table}")
    op.execute("DROP FUNCTION refuse_change()")
    for name in ("cancelled", "cancelled_why"):
        op.drop_column("call_attempts", name)
    op.drop_table("api_clients")
    op.drop_index("ix_contact_ledger_elsewhere", "contact_ledger")
    op.drop_constraint(op.f("uq_contact_ledger_source_source_id_person_id"), "contact_ledger")
    op.create_unique_constraint(op.f("uq_contact_ledger_source_source_id"), "contact_ledger", ["source", "source_id"])
    op.drop_table("contacts_unmatched")
    op.drop_table("contact_sources")
    op.drop_column("compliance_decisions", "inputs")
    op.drop_table("compliance_books")
    op.drop_table("audit_log")
