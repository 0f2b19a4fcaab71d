"""What a miniature may be asked for: how many of what, and how large."""

from stages.core.errors import UserError

SMALLEST_SIDE = 48  # pixels of a picture: below, structured forests and networks have nothing to see


def check(
    title: str, counts: dict[str, int], width: int, height: int, *, most: dict[str, int] | None = None, side: int = SMALLEST_SIDE
) -> None:
    """A UserError where a miniature of these counts and of this size cannot be made. most : of some of the counts. side : the least."""
    limits = most or {}
    if min(counts.values()) < 1 or any(counts[name] > limit for name, limit in limits.items()) or min(width, height) < side:
        bounds = "".join(f"{name} at most {limit}, " for name, limit in limits.items())
        raise UserError(
            f"a miniature {title} of {', '.join(f'{count} {name}' for name, count in counts.items())} and {width} x {height} pixels "
            f"cannot be: each count has to be 1 or more, {bounds}each side {side} or more"
        )
