"""Where an application is told that a sign-in ended: what may be registered [EXT-3]."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from mintgate.contract import redirects

MAX_CHARACTERS = 500


def back_channel_problem(url: str) -> str | None:
    """Why `url` may not be a BackChannelLogoutUrl (OpenID Connect Back-Channel Logout §2.2)."""
    if len(url) > MAX_CHARACTERS:
        return f"must have at most {MAX_CHARACTERS} characters"
    # Never a scheme of its own: it is this server that calls it, not a browser on a device.
    return redirects.problem_of(url, public=False)


def front_channel_problem(url: str, login_urls: str | None) -> str | None:
    """Why `url` may not be a FrontChannelLogoutUrl (OpenID Connect Front-Channel Logout §2).

    Args:
        login_urls: the application's `ImpersonateLoginUrl`.
    """
    problem = back_channel_problem(url)
    if problem:
        return problem
    if ":" in (urlsplit(url).hostname or ""):
        return "must name its host: no Content-Security-Policy can allow an IPv6 address"
    # "The domain, port, and scheme of this URL MUST be the same as that of a registered
    # Redirection URI value."
    origins = {redirects.origin_of(uri) for uri in redirects.registered_uris(login_urls)}
    if redirects.origin_of(url) not in origins:
        return "must have the scheme, host and port of one entry of ImpersonateLoginUrl"
    return None


def front_channel_address(url: str, issuer: str, sid: str) -> str:
    """The address that a frame loads, with `iss` and `sid` added (ibid. §3)."""
    query = f"iss={quote(issuer, safe='')}&sid={quote(sid, safe='')}"
    url = url.removesuffix("?")
    return f"{url}{'&' if '?' in url else '?'}{query}"
