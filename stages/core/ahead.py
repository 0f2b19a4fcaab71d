"""Work done in threads ahead of who uses it: decoding pictures while a network computes."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from stages.core.errors import UserError

if TYPE_CHECKING:  # who only decodes pictures does without torch
    import torch

AHEAD = 2  # results of a thread that wait for their turn
Item = TypeVar("Item")
Result = TypeVar("Result")


def workers() -> int:
    """How many threads work ahead where results do not depend on it: as THESIS_WORKERS says, else one for each core to be had."""
    asked = os.environ.get("THESIS_WORKERS", "")
    if asked and not (asked.isascii() and asked.isdigit() and int(asked)):
        raise UserError(f"THESIS_WORKERS is {asked!r}: it must be a number of threads, 1 or more, or not set")
    return int(asked) if asked else len(os.sched_getaffinity(0))


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int) -> Generator[Result, None, None]:
    """`map` in threads, in order, at most `ahead` results before they are asked for; `contextlib.closing` ends the threads early."""
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def beside(function: Callable[[Item], Result], items: Iterable[Item], device: "torch.device") -> Iterator[Result]:
    """`map`: beside a network on a GPU in threads, ahead of who asks; on a CPU, whose cores the network has, when it is asked for.

    So the milliseconds of a CPU are the network's alone.
    """
    if device.type == "cpu":
        return map(function, items)
    return map_ahead(function, items, threads=workers(), ahead=AHEAD * workers())


def in_turn(function: Callable[[int], Result], end: int, *, threads: int) -> Callable[[int], Result]:
    """`function` of the numbers below `end`, worked out ahead in threads; to be asked for a number, and then for each that follows."""
    running: Generator[Result, None, None] | None = None

    def ask(number: int) -> Result:
        nonlocal running
        if running is None:
            running = map_ahead(function, range(number, end), threads=threads, ahead=AHEAD * threads)
        return next(running)

    return ask
