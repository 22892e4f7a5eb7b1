"""Every entity set of the DomainAPI, and the data tables behind them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, String, Table, UniqueConstraint

from mintgate.store import tables
from mintgate.store.records.attributes import (
    DISPLAY_TEXT,
    IDENTIFIER,
    TRACKING,
    Attribute,
    EntitySet,
    Kind,
    columns_for,
    enumeration,
    plain,
    reference,
    string,
    translated,
)
from mintgate.store.records.security_sets import SECURITY_SETS


def _data_set(
    name: str,
    type_name: str,
    table: str,
    attributes: tuple[Attribute, ...],
    *,
    search: tuple[str, ...],
    unique: str,
) -> EntitySet:
    """An entity set with a data table of its own, whose references are foreign keys."""
    every = (IDENTIFIER, *attributes, *TRACKING, DISPLAY_TEXT)
    keys = [
        ForeignKeyConstraint(
            ["instance_id", a.column],
            [f"{_TABLE_OF[a.target]}.instance_id", f"{_TABLE_OF[a.target]}.id"],
            name=f"fk_{table}_{a.column}",
        )
        for a in attributes
        if a.target is not None
    ]
    data = Table(
        table,
        tables.metadata,
        Column("instance_id", String(36), primary_key=True),
        Column("id", String(36), primary_key=True),
        *columns_for((*attributes, *TRACKING)),
        *keys,
        UniqueConstraint("instance_id", unique, name=f"uq_{table}_{unique}"),
    )
    return EntitySet(name=name, type_name=type_name, table=data, attributes=every, search=search)


_TABLE_OF: dict[str, str] = {
    "General_Contacts_Parties": "gen_parties",
    "General_Currencies": "gen_currencies",
    "General_EnterpriseCompanies": "gen_enterprise_companies",
    "Crm_CustomerTypes": "crm_customer_types",
    "Crm_SalesPersons": "crm_sales_persons",
    "Crm_Sales_Customers": "crm_customers",
    "Crm_Sales_SalesOrders": "crm_sales_orders",
}

_DATA_SETS = (
    _data_set(
        "General_Contacts_Parties",
        "General_Contacts_Party",
        "gen_parties",
        (
            string("PartyCode", "party_code", 16, required=True),
            translated("PartyName", "party_name"),
            enumeration("PartyType", "party_type", ("Company", "Person"), "Company"),
            plain("IsActive", "is_active", Kind.BOOLEAN, True),
        ),
        search=("PartyName", "PartyCode"),
        unique="party_code",
    ),
    _data_set(
        "General_Currencies",
        "General_Currency",
        "gen_currencies",
        (
            string("CurrencySign", "currency_sign", 3, required=True),
            translated("Name", "name"),
        ),
        search=("Name", "CurrencySign"),
        unique="currency_sign",
    ),
    _data_set(
        "General_EnterpriseCompanies",
        "General_EnterpriseCompany",
        "gen_enterprise_companies",
        (
            string("Code", "code", 16, required=True),
            reference("Company", "company_id", "General_Contacts_Parties", required=True),
            reference("BaseCurrency", "base_currency_id", "General_Currencies"),
        ),
        search=("Company/PartyName", "Code"),
        unique="code",
    ),
    _data_set(
        "Crm_CustomerTypes",
        "Crm_CustomerType",
        "crm_customer_types",
        (string("Code", "code", 16, required=True), translated("Name", "name")),
        search=("Name", "Code"),
        unique="code",
    ),
    _data_set(
        "Crm_SalesPersons",
        "Crm_SalesPerson",
        "crm_sales_persons",
        (
            string("Number", "number", 16, required=True),
            plain("Active", "active", Kind.BOOLEAN, True),
            reference("Person", "person_id", "General_Contacts_Parties", required=True),
            plain("ContractStartDate", "contract_start_date", Kind.DATE),
            plain("ContractEndDate", "contract_end_date", Kind.DATE),
        ),
        search=("Person/PartyName", "Number"),
        unique="number",
    ),
    # [API-70]
    _data_set(
        "Crm_Sales_Customers",
        "Crm_Sales_Customer",
        "crm_customers",
        (
            string("Number", "number", 16, required=True),
            plain("Active", "active", Kind.BOOLEAN, True),
            plain("CreditLimit", "credit_limit", Kind.AMOUNT),
            plain("DefaultPaymentTermDays", "default_payment_term_days", Kind.INTEGER),
            plain("DefaultDeliveryTermDays", "default_delivery_term_days", Kind.INTEGER),
            plain("GracePeriodDays", "grace_period_days", Kind.INTEGER),
            plain("FromDate", "from_date", Kind.DATE),
            plain("ThruDate", "thru_date", Kind.DATE),
            reference("Party", "party_id", "General_Contacts_Parties", required=True),
            reference("CustomerType", "customer_type_id", "Crm_CustomerTypes"),
            reference("SalesPerson", "sales_person_id", "Crm_SalesPersons"),
            reference("DefaultCurrency", "default_currency_id", "General_Currencies"),
            reference("EnterpriseCompany", "enterprise_company_id", "General_EnterpriseCompanies"),
        ),
        search=("Party/PartyName", "Number"),
        unique="number",
    ),
    _data_set(
        "Crm_Sales_SalesOrders",
        "Crm_Sales_SalesOrder",
        "crm_sales_orders",
        (
            string("DocumentNo", "document_no", 20, required=True),
            plain("DocumentDate", "document_date", Kind.DATE),
            enumeration(
                "State",
                "state",
                ("New", "Planned", "FirmPlanned", "Released", "Completed", "Closed"),
                "New",
            ),
            plain("Void", "void", Kind.BOOLEAN, False),
            plain("TotalAmount", "total_amount", Kind.AMOUNT),
            string("Notes", "notes", 2000),
            reference("Customer", "customer_id", "Crm_Sales_Customers", required=True),
            reference("SalesPerson", "sales_person_id", "Crm_SalesPersons"),
            reference("DocumentCurrency", "document_currency_id", "General_Currencies"),
            reference("EnterpriseCompany", "enterprise_company_id", "General_EnterpriseCompanies"),
        ),
        search=("DocumentNo", "Customer/Party/PartyName"),
        unique="document_no",
    ),
)

ENTITY_SETS: dict[str, EntitySet] = {
    entity_set.name: entity_set for entity_set in (*_DATA_SETS, *SECURITY_SETS)
}
"""By name, in the order of the service document."""
DATA_SETS = frozenset(entity_set.name for entity_set in _DATA_SETS)
"""Those whose rows are plain data; the others have rules of their own."""
