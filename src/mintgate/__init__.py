"""mintgate mints tokens and is the gate that checks them, compatible with ERP.net."""

__version__ = "0.1.0"
