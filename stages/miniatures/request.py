"""What a miniature may be asked for: how many of what, and how large."""

from stages.core.errors import UserError

SMALLEST_SIDE = 48  # pixels of a picture: below, small things have no inside, and structured forests and networks nothing to see


def check(title: str, counts: dict[str, int], width: int, height: int, *, most: dict[str, int] | None = None) -> None:
    """A UserError where a miniature of these counts and of this size cannot be made. most : what some of the counts are at most."""
    limits = most or {}
    if min(counts.values()) < 1 or any(counts[name] > limit for name, limit in limits.items()) or min(width, height) < SMALLEST_SIDE:
        bounds = "".join(f"{name} at most {limit}, " for name, limit in limits.items())
        raise UserError(
            f"a miniature {title} of {', '.join(f'{count} {name}' for name, count in counts.items())} and {width} x {height} pixels "
            f"cannot be: each count has to be 1 or more, {bounds}each side {SMALLEST_SIDE} or more"
        )
