"""Rows: tables, migrations, one repository a table family. SQL lives here and nowhere else."""

from mintgate.store.audit import AuditEvent
from mintgate.store.database import Database, DatabaseUnavailable, Transaction
from mintgate.store.feed import Change

__all__ = ["AuditEvent", "Change", "Database", "DatabaseUnavailable", "Transaction"]
