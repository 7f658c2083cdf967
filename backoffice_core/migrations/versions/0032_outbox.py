"""Subscribers of events, and the events that triggers write for them in the transaction of the fact."""

# ruff: noqa: S608 (names of tables and kinds, no value)

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

AWARE = postgresql.TIMESTAMP(timezone=True)
# What a line of a case's history is to subscribers; NULL = nothing.
KIND = """
    CASE e.kind
      WHEN 'promise' THEN CASE e.data->>'state' WHEN 'OPEN' THEN CASE WHEN e.data ? 'amount' THEN 'promise.made'
                                                                      ELSE 'promise.reopened' END
                                                ELSE 'promise.' || lower(e.data->>'state') END
      WHEN 'call' THEN 'call.ended'
      WHEN 'outcome' THEN 'contact.made'
      WHEN 'plan' THEN 'plan.' || lower(e.data->>'state')
      WHEN 'hand_over' THEN 'hand_over.' || lower(e.data->>'state')
      WHEN 'correction' THEN 'balance.corrected'
      WHEN 'state' THEN CASE
           WHEN e.data->>'from' = '' THEN 'case.opened'
           WHEN e.data->>'to' = 'ON_HOLD' THEN 'case.held'
           WHEN e.data->>'from' = 'ON_HOLD' THEN 'case.resumed'
           WHEN e.data->>'to' IN ('CURED', 'CLOSED', 'PAID_OFF') THEN 'case.' || lower(e.data->>'to')
           WHEN e.data->>'from' = 'CURED' THEN 'case.reopened'
           ELSE 'case.moved' END
    END"""
NOBODY = "IF NOT EXISTS (SELECT FROM webhooks WHERE state <> 'ENDED') THEN RETURN NULL; END IF;"


def _function(name: str, body: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {NOBODY} {body} RETURN NULL; END $$"
    )


def _stops(event: str, rows: str, tables: str) -> None:
    kind = {"insert": "stop.added", "update": "stop.changed", "delete": "stop.lifted"}[event]
    _function(
        f"outbox_stops_{event}",
        "INSERT INTO outbox (webhook_id, event_id, kind, subject, at, data)"
        f" SELECT w.id, 'stop-' || e.id || '-{event[0]}' || CAST(pg_current_xact_id() AS text), '{kind}',"
        " e.kind || ' ' || e.value || ' ' || e.source, e.added_at, jsonb_build_object('kind', e.kind, 'value', e.value,"
        " 'reason', e.reason, 'since', e.since, 'until', e.until, 'source', e.source)"
        f" FROM {rows} e JOIN webhooks w ON w.state <> 'ENDED' AND w.kinds ? '{kind}';",
    )
    op.execute(
        f"CREATE TRIGGER outbox_{event} AFTER {event.upper()} ON stop_list REFERENCING {tables}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION outbox_stops_{event}()"
    )


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.JSONB(), nullable=False),
        sa.Column("secret_no", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", AWARE, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sa.CheckConstraint("state IN ('ACTIVE','PAUSED','ENDED')", name=op.f("ck_webhooks_state")),
    )
    op.create_index("uq_webhooks_name", "webhooks", ["name"], unique=True, postgresql_where=sa.text("state <> 'ENDED'"))
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=True),
        sa.Column("at", AWARE, nullable=False),
        sa.Column("data", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), server_default="WAITING", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", AWARE, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("sent_at", AWARE, nullable=True),
        sa.Column("answered", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_outbox_webhook_id")),
        sa.UniqueConstraint("webhook_id", "event_id", name=op.f("uq_outbox_webhook_id_event_id")),
        sa.CheckConstraint("state IN ('WAITING','SENT','DEAD')", name=op.f("ck_outbox_state")),
    )
    waiting, sent = sa.text("state = 'WAITING'"), sa.text("state = 'SENT'")
    op.create_index("ix_outbox_waiting", "outbox", ["webhook_id", "subject", "id"], postgresql_where=waiting)
    op.create_index("ix_outbox_sent", "outbox", ["sent_at"], postgresql_where=sent)
    _function(
        "outbox_cases",
        "INSERT INTO outbox (webhook_id, event_id, kind, subject, case_id, at, data)"
        " SELECT w.id, 'case-' || e.id, k.kind, e.case_id, e.case_id, e.at, CASE WHEN e.call_id IS NULL THEN e.data"
        " ELSE e.data || jsonb_build_object('call_id', e.call_id) END"
        f" FROM came e CROSS JOIN LATERAL (SELECT {KIND} AS kind) k JOIN webhooks w ON w.state <> 'ENDED' AND w.kinds ? k.kind"
        " ORDER BY e.id;",
    )
    op.execute(
        "CREATE TRIGGER outbox_insert AFTER INSERT ON case_events REFERENCING NEW TABLE AS came"
        " FOR EACH STATEMENT EXECUTE FUNCTION outbox_cases()"
    )
    _stops("insert", "came", "NEW TABLE AS came")
    _stops("update", "came", "NEW TABLE AS came")
    _stops("delete", "gone", "OLD TABLE AS gone")


def downgrade() -> None:
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER outbox_{event} ON stop_list")
        op.execute(f"DROP FUNCTION outbox_stops_{event}()")
    op.execute("DROP TRIGGER outbox_insert ON case_events")
    op.execute("DROP FUNCTION outbox_cases()")
    op.drop_table("outbox")
    op.drop_table("webhooks")
