"""The warning that a call is recorded: by which rule, how, in which language, when."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_WORDS = ("notice_rule", "notice", "notice_language")


def upgrade() -> None:
    for name in _WORDS:
        op.add_column("call_attempts", sa.Column(name, sa.Text(), nullable=False, server_default=sa.text("''")))
        op.alter_column("call_attempts", name, server_default=None)
    op.add_column("call_attempts", sa.Column("notice_at", sa.TIMESTAMP(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("notice_at", *_WORDS):
        op.drop_column("call_attempts", name)
