"""A browser without scripts that counts what it waits for and what it is sent."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import urljoin

import httpx
import msgspec

from bench.problems import Unmeasurable

ANSWER_SECONDS = 60.0
REDIRECTS = 12
_FORM = re.compile(r'<form[^>]* method="post" action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
_TAG = re.compile(r"<(link|script|img)\b([^>]*)>")
_NEEDS = re.compile(r'\b(?:href|src)="([^"]*)"')


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """A page as it was had.

    Args:
        milliseconds: from the first byte of the first request to the last byte of the page, with
            the redirects before it.
        requests: how many that were.
        received: bytes of bodies and heads, as they came over the wire.
    """

    url: str
    status: int
    text: str
    milliseconds: float
    requests: int
    received: int

    def form(self, to: str = "") -> tuple[str, dict[str, str]]:
        """Where a form of the page leads, and its hidden fields.

        Args:
            to: how its address ends; the first that does not sign out, without.

        Raises:
            Unmeasurable: there is none.
        """
        for action, inside in _FORM.findall(self.text):
            where = html.unescape(action)
            if where.endswith(to) if to else not where.endswith("/signout"):
                fields = {html.unescape(n): html.unescape(v) for n, v in _HIDDEN.findall(inside)}
                return where, fields
        raise Unmeasurable(f"{self.url}: no form to {to or 'send'}: {self.text[:500]}")

    def needs(self) -> list[str]:
        """The addresses of what a browser loads besides, each once."""
        found = []
        for tag, attributes in _TAG.findall(self.text):
            loaded = tag != "link" or 'rel="stylesheet"' in attributes or 'rel="icon"' in attributes
            address = _NEEDS.search(attributes)
            if loaded and address and not address[1].startswith("data:"):
                found.append(urljoin(self.url, html.unescape(address[1])))
        return list(dict.fromkeys(found))


class Browser:
    """One person's, on a connection that is kept alive.

    Args:
        base_url: of the instance; redirects that leave it are not followed.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._http = httpx.Client(
            base_url=base_url,
            timeout=ANSWER_SECONDS,
            trust_env=False,
            limits=httpx.Limits(max_connections=1),
            headers={
                "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
                "Accept-Encoding": "gzip",
                "Accept-Language": "en",
            },
        )

    def open(self, path: str, form: Mapping[str, str] | None = None) -> Visit:
        """Ask for a page, or send a form to it, and follow the redirects."""
        request = self._request(path, form)
        began = time.perf_counter()
        received = 0
        for number in range(1, REDIRECTS + 1):
            answer = self._http.send(request)
            received += _size(answer)
            where = answer.headers.get("location", "")
            if not answer.is_redirect or not where.startswith(self.base_url):
                return Visit(
                    url=str(answer.url),
                    status=answer.status_code,
                    text=answer.text,
                    milliseconds=(time.perf_counter() - began) * 1e3,
                    requests=number,
                    received=received,
                )
            request = self._request(where)
        raise Unmeasurable(f"{path}: redirects without end, last to {where}")

    def first_bytes(self, path: str, form: Mapping[str, str]) -> tuple[float, bytes]:
        """Send a form whose answer is long: milliseconds to its first part, and that part."""
        request = self._request(path, form)
        began = time.perf_counter()
        answer = self._http.send(request, stream=True)
        try:
            part = next(answer.iter_bytes(), b"")
            waited = (time.perf_counter() - began) * 1e3
            if answer.status_code != 200:
                raise Unmeasurable(f"{path}: {answer.status_code} {part[:300]!r}")
            return waited, part
        finally:
            answer.close()  # a new connection comes after it

    def load(self, addresses: list[str]) -> tuple[float, int]:
        """Milliseconds and bytes of what a page needs, one after the other.

        Raises:
            Unmeasurable: something is not there.
        """
        received, began = 0, time.perf_counter()
        for address in addresses:
            answer = self._http.get(address)
            if answer.status_code != 200:
                raise Unmeasurable(f"{address}: {answer.status_code}")
            received += _size(answer)
        return (time.perf_counter() - began) * 1e3, received

    def forget(self) -> None:
        """Every cookie: the next page is somebody else's."""
        self._http.cookies.clear()

    def _request(self, path: str, form: Mapping[str, str] | None = None) -> httpx.Request:
        if form is None:
            return self._http.build_request("GET", path)
        return self._http.build_request("POST", path, data=dict(form))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._http.close()


def _size(answer: httpx.Response) -> int:
    head = sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
    return answer.num_bytes_downloaded + head + len("HTTP/1.1 200 OK\r\n\r\n")
