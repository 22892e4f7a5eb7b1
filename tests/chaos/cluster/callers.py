"""One caller of the cluster: every answer is counted, and what is owed in calm is required."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from tests.chaos.cluster.journal import Journal
from tests.chaos.cluster.report import CALM, GOOD, Report, Window
from tests.chaos.cluster.world import Cluster

NO_SLOT = "MaximumLicenseCountExceeded"
CUSTOMERS = "/api/domain/odata/Crm_Sales_Customers?$top=1"
CLOCK = "clock"
"""A window in which one server's time of day is wrong: its tokens may be refused elsewhere."""

UPGRADE = "upgrade"
"""A window in which servers are restarted as operators do: behind nginx nobody may notice."""


class Unanswered(Exception):
    """No answer came, or one that says that the server could not: what was done is not known."""


class Refused(Exception):
    """The answer was no, and may have been: this life is over."""


@dataclass(frozen=True)
class Run:
    """What everybody in a run shares."""

    cluster: Cluster
    journal: Journal
    report: Report


class Caller:
    """A connection to nginx, or to one process.

    Args:
        port: of the process; None is nginx.
        name: of the door in the report.
    """

    def __init__(self, run: Run, name: str, port: int | None = None) -> None:
        self._run, self.name = run, name
        self._is_front = port is None
        self.http = run.cluster.client(port)

    def ask(
        self,
        what: str,
        method: str,
        url: str,
        due: tuple[int, ...] = (200, 302, 303),
        **options: Any,
    ) -> httpx.Response:
        """Send a request, and count what comes.

        Args:
            due: the statuses of which the report need not speak.

        Raises:
            Unanswered: nothing came, or a 5xx.
        """
        report = self._run.report
        started = report.now
        what = f"{what} at {self.name}"
        try:
            answer = self.http.request(method, url, **options)
        except httpx.HTTPError as error:
            window = report.count(what, type(error).__name__, started)
            self._must_not_fail(window, f"{what}: {error!r}")
            raise Unanswered(what) from error
        no_slot = is_no_slot(answer)
        outcome = GOOD if no_slot or answer.status_code in due else str(answer.status_code)
        window = report.count(what, outcome, started)
        if answer.status_code < 500 or no_slot:
            return answer
        self._must_not_fail(window, f"{what}: {outcome} {answer.text[:300]}")
        raise Unanswered(what)

    def _must_not_fail(self, window: Window, text: str) -> None:
        if window.name == CALM or (self._is_front and UPGRADE in window.kinds):
            self._run.journal.problem(f"in a window named {window.name}: {text}")

    def owed(self, answer: httpx.Response, since: float, *statuses: int) -> None:
        """The answer that is due, unless a wrong clock excuses another one.

        Args:
            since: when what it is about began: seconds of the run.

        Raises:
            Refused: the answer is another one.
        """
        if answer.status_code in statuses:
            return
        if not self._run.report.was_kind(CLOCK, since):
            text = f"{answer.status_code} where {statuses} is owed: {answer.request.url.path} "
            self._run.journal.problem(f"{text} at {self.name}: {answer.text[:300]}")
        raise Refused

    def close(self) -> None:
        self.http.close()


def is_no_slot(answer: httpx.Response) -> bool:
    """All slots are taken [SES-33]: the token itself was accepted."""
    return answer.status_code == 503 and NO_SLOT in answer.text


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
