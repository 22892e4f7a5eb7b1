"""From the start of the process to the first answer that it is ready."""

from __future__ import annotations

import time

from bench.cores import Cores
from bench.growth.traffic import wait_until_ready
from bench.instance import Site
from bench.processes import Children


def measure(site: Site, cores: Cores) -> float:
    """Milliseconds until /readyz answers 200; the server is stopped again."""
    with Children(site.folder) as children:
        began = time.perf_counter()
        server = site.serve(children, cores.server)
        wait_until_ready(server, site.port)
        return (time.perf_counter() - began) * 1e3
