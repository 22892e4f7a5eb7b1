"""Passes requests on to the servers behind the gate, and their answers back."""

from mintgate.gate.proxy.forwarding import Forwarder
from mintgate.gate.proxy.upstreams import Upstream, UpstreamClient, upstreams_of

__all__ = ["Forwarder", "Upstream", "UpstreamClient", "upstreams_of"]
