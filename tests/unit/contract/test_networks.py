"""What is counted as one sender [SGN-6]."""

from __future__ import annotations

import pytest

from mintgate.contract.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        (None, ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_network_of(address: str | None, network: str) -> None:
    assert network_of(address) == network
