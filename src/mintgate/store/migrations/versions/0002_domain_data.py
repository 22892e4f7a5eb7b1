"""The data that the DomainAPI serves."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_IN_ORDER_OF_REFERENCE = (
    "gen_parties",
    "gen_currencies",
    "gen_enterprise_companies",
    "crm_customer_types",
    "crm_sales_persons",
    "crm_customers",
    "crm_sales_orders",
)


def upgrade() -> None:
    _create(
        "gen_parties",
        sa.Column("party_code", sa.String(16), nullable=False),
        sa.Column("party_name", sa.JSON(), nullable=False),
        sa.Column("party_type", sa.String(32), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        unique="party_code",
    )
    _create(
        "gen_currencies",
        sa.Column("currency_sign", sa.String(3), nullable=False),
        sa.Column("name", sa.JSON(), nullable=False),
        unique="currency_sign",
    )
    _create(
        "gen_enterprise_companies",
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("company_id", sa.String(36), nullable=False),
        sa.Column("base_currency_id", sa.String(36)),
        unique="code",
        references={"company_id": "gen_parties", "base_currency_id": "gen_currencies"},
    )
    _create(
        "crm_customer_types",
        sa.Column("code", sa.String(16), nullable=False),
        sa.Column("name", sa.JSON(), nullable=False),
        unique="code",
    )
    _create(
        "crm_sales_persons",
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("person_id", sa.String(36), nullable=False),
        sa.Column("contract_start_date", sa.Date()),
        sa.Column("contract_end_date", sa.Date()),
        unique="number",
        references={"person_id": "gen_parties"},
    )
    _create(
        "crm_customers",
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("credit_limit_value", sa.BigInteger()),
        sa.Column("credit_limit_currency", sa.String(3)),
        sa.Column("default_payment_term_days", sa.Integer()),
        sa.Column("default_delivery_term_days", sa.Integer()),
        sa.Column("grace_period_days", sa.Integer()),
        sa.Column("from_date", sa.Date()),
        sa.Column("thru_date", sa.Date()),
        sa.Column("party_id", sa.String(36), nullable=False),
        sa.Column("customer_type_id", sa.String(36)),
        sa.Column("sales_person_id", sa.String(36)),
        sa.Column("default_currency_id", sa.String(36)),
        sa.Column("enterprise_company_id", sa.String(36)),
        unique="number",
        references={
            "party_id": "gen_parties",
            "customer_type_id": "crm_customer_types",
            "sales_person_id": "crm_sales_persons",
            "default_currency_id": "gen_currencies",
            "enterprise_company_id": "gen_enterprise_companies",
        },
    )
    _create(
        "crm_sales_orders",
        sa.Column("document_no", sa.String(20), nullable=False),
        sa.Column("document_date", sa.Date()),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("void", sa.Boolean(), nullable=False),
        sa.Column("total_amount_value", sa.BigInteger()),
        sa.Column("total_amount_currency", sa.String(3)),
        sa.Column("notes", sa.String(2000)),
        sa.Column("customer_id", sa.String(36), nullable=False),
        sa.Column("sales_person_id", sa.String(36)),
        sa.Column("document_currency_id", sa.String(36)),
        sa.Column("enterprise_company_id", sa.String(36)),
        unique="document_no",
        references={
            "customer_id": "crm_customers",
            "sales_person_id": "crm_sales_persons",
            "document_currency_id": "gen_currencies",
            "enterprise_company_id": "gen_enterprise_companies",
        },
    )


def downgrade() -> None:
    for table in reversed(_IN_ORDER_OF_REFERENCE):
        op.drop_table(table)


def _create(
    name: str, *columns: sa.Column[Any], unique: str, references: dict[str, str] | None = None
) -> None:
    """A table with the columns that all of these have: the key, and who changed the row when."""
    op.create_table(
        name,
        sa.Column("instance_id", sa.String(36), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        *columns,
        sa.Column("creation_time", sa.Double()),
        sa.Column("creation_user", sa.String(64)),
        sa.Column("update_time", sa.Double()),
        sa.Column("update_user", sa.String(64)),
        sa.PrimaryKeyConstraint("instance_id", "id", name=f"pk_{name}"),
        sa.UniqueConstraint("instance_id", unique, name=f"uq_{name}_{unique}"),
        *(
            sa.ForeignKeyConstraint(
                ["instance_id", column],
                [f"{target}.instance_id", f"{target}.id"],
                name=f"fk_{name}_{column}",
            )
            for column, target in (references or {}).items()
        ),
    )
