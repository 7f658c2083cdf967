"""Campaigns with their modes, skills of agents, the pacer's memory and decisions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_JSON = postgresql.JSONB(astext_type=sa.Text())
_OPEN = "state IN ('ELIGIBLE','RETRY_WAIT') AND earliest_at IS NULL"
_STAMP = postgresql.TIMESTAMP(timezone=True)


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), server_default="collection", nullable=False),
        sa.Column("mode", sa.Text(), server_default="progressive", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="10", nullable=False),
        sa.Column("ratio", sa.Numeric(4, 2), server_default="1.5", nullable=False),
        sa.Column("target_abandon_pct", sa.Numeric(5, 2), server_default="3", nullable=False),
        sa.Column("abandon_window", sa.Text(), server_default="day", nullable=False),
        sa.Column("denominator", sa.Text(), server_default="live", nullable=False),
        sa.Column("skill", sa.Text(), server_default="", nullable=False),
        sa.Column("machines", sa.Text(), server_default="off", nullable=False),
        sa.Column("machine_sample_pct", sa.Numeric(5, 2), server_default="5", nullable=False),
        sa.Column("ordering", _JSON, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("retries", _JSON, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("changed_at", _STAMP, server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_by", sa.Text(), server_default="", nullable=False),
        sa.CheckConstraint(
            "mode IN ('preview','progressive','power','predictive','agentless')", name=op.f("ck_campaigns_mode")
        ),
        sa.CheckConstraint("abandon_window IN ('shift','day','30d')", name=op.f("ck_campaigns_abandon_window")),
        sa.CheckConstraint("denominator IN ('live','queued')", name=op.f("ck_campaigns_denominator")),
        sa.CheckConstraint("machines IN ('off','beside','before')", name=op.f("ck_campaigns_machines")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_campaigns")),
    )
    op.execute("INSERT INTO campaigns (name) VALUES ('collection')")
    op.create_table(
        "agent_skills",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["staff_users.id"], name=op.f("fk_agent_skills_user_id")),
        sa.PrimaryKeyConstraint("user_id", "skill", name=op.f("pk_agent_skills")),
    )
    op.create_table(
        "pacer_memories",
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("at", _STAMP, nullable=False),
        sa.Column("memory", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("pool", name=op.f("pk_pacer_memories")),
    )
    op.create_table(
        "pacing_decisions",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("at", _STAMP, nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("bound", sa.Text(), nullable=False),
        sa.Column("terms", _JSON, nullable=False),
        sa.Column("given", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pacing_decisions")),
    )
    op.create_index(op.f("ix_pacing_decisions_at"), "pacing_decisions", ["at"])
    op.drop_index("ix_call_tasks_callable", table_name="call_tasks")
    op.create_index(
        "ix_call_tasks_callable",
        "call_tasks",
        ["business_date", "campaign", "position"],
        postgresql_where=sa.text(_OPEN),
    )


def downgrade() -> None:
    op.drop_index("ix_call_tasks_callable", table_name="call_tasks")
    op.create_index(
        "ix_call_tasks_callable", "call_tasks", ["business_date", "position"], postgresql_where=sa.text(_OPEN)
    )
    for name in ("pacing_decisions", "pacer_memories", "agent_skills", "campaigns"):
        op.drop_table(name)
