"""Where a person's picture is; another address after every change, for caches keep it."""

from __future__ import annotations


def picture_urls(profile_url: str, changed_at: float | None) -> tuple[str | None, str | None]:
    """The small and the large one [PRF-16]; None without a picture.

    Args:
        changed_at: Unix seconds.
    """
    if changed_at is None:
        return None, None
    version = f"{int(changed_at * 1000):x}"
    small, large = (f"{profile_url}/me/picture/{size}?v={version}" for size in (64, 128))
    return small, large
