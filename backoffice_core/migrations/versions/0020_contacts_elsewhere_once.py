"""A contact made elsewhere is known by source and id: an index of those alone, so that our own calls do not pay for it.

The wider one held every call of ours too (all NULL): a page more to write in each claim, and nothing gained.
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

CONTRACT_OF = "0.1"  # nothing older runs beside it


def upgrade() -> None:
    op.create_index(
        "uq_contact_ledger_elsewhere",
        "contact_ledger",
        ["source", "source_id", "person_id"],
        unique=True,
        postgresql_where=sa.text("source IS NOT NULL"),
    )
    op.drop_constraint(op.f("uq_contact_ledger_source_source_id_person_id"), "contact_ledger")


def downgrade() -> None:
    op.create_unique_constraint(
        op.f("uq_contact_ledger_source_source_id_person_id"), "contact_ledger", ["source", "source_id", "person_id"]
    )
    op.drop_index("uq_contact_ledger_elsewhere", table_name="contact_ledger")
