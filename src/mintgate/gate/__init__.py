"""The API side of an instance: the sessions behind the requests that its guards let through."""

from mintgate.gate.sessions import ErpSessions

__all__ = ["ErpSessions"]
