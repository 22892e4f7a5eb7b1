"""Rows: tables, migrations, one repository a table family. SQL lives here and nowhere else."""

from mintgate.store.audit import AuditEvent
from mintgate.store.database import Database
from mintgate.store.failures import DatabaseUnavailable
from mintgate.store.feed import Change
from mintgate.store.transaction import Transaction

__all__ = ["AuditEvent", "Change", "Database", "DatabaseUnavailable", "Transaction"]
