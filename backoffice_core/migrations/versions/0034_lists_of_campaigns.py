"""Campaigns take cases by what they say of whom, or by a list that was given to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_WHEN = "CREATE TRIGGER marks_update AFTER UPDATE ON campaigns FOR EACH ROW WHEN ({}) EXECUTE FUNCTION mark_campaign()"


def upgrade() -> None:
    op.add_column("campaigns", sa.Column("whom", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.create_table(
        "campaign_cases",
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("added_at", postgresql.TIMESTAMP(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["campaign"], ["campaigns.name"], name=op.f("fk_campaign_cases_campaign_campaigns")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_campaign_cases_case_id_cases")),
        sa.PrimaryKeyConstraint("campaign", "case_id", name=op.f("pk_campaign_cases")),
    )
    op.execute("DROP TRIGGER marks_update ON campaigns")
    op.execute(
        _WHEN.format(
            "OLD.ordering IS DISTINCT FROM NEW.ordering OR OLD.whom IS DISTINCT FROM NEW.whom"
            " OR (NEW.whom <> '{}' AND (OLD.active, OLD.priority) IS DISTINCT FROM (NEW.active, NEW.priority))"
        )
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER marks_update ON campaigns")
    op.execute(_WHEN.format("OLD.ordering IS DISTINCT FROM NEW.ordering"))
    op.drop_table("campaign_cases")
    op.drop_column("campaigns", "whom")
