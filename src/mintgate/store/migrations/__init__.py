"""Alembic migrations; `schema` runs them."""
