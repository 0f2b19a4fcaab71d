"""One-to-one correspondence of boundary pixels, exact, for a whole series of maps at once: what `boundary` spends its time on.

A prediction pixel and a true pixel may be matched when they lie within a radius. The official measure (BSDS500's
`correspondPixels`) takes the assignment of least cost, where a match costs its distance (in hundredths of a pixel, rounded)
and a pair of pixels that stays unmatched costs the outlier cost. That is the matching of largest total weight, a match
weighing `outlier cost - distance`, and this module finds it by the Hungarian method in its incremental form: every pixel has
a dual value, and a pixel that comes or goes takes one shortest-path search, which seldom leaves its neighbourhood. From one
threshold to the next few pixels change, so a series of maps costs little more than its last one.

Where several matchings are equally good the original takes any, at random. Here each predicted pixel has a small weight of
its own, a hash of its place, far below a hundredth of a pixel in sum: so the optimum's set of matched pixels is one and the
same whatever maps came before. All in whole numbers: the same on every machine. The functions hold no lock (nogil), so
threads run side by side.
"""

import numpy as np
from numba import njit

_FAR = np.iinfo(np.int64).max
_FRACTION = 40  # bits of a weight below a hundredth of a pixel; the hash takes 24, so 65,536 of them stay below it in sum


@njit(cache=True, nogil=True)
def thin(mask: np.ndarray) -> np.ndarray:
    """The skeleton of a map, thinned until nothing changes as Matlab's `bwmorph(mask, 'thin', inf)` does (Guo and Hall's conditions).

    mask : bool (H, W). Returns bool (H, W).
    """
    height, width = mask.shape
    stride = width + 2
    flat = np.zeros((height + 2) * stride, np.uint8)
    pixels = np.empty(mask.size, np.int64)
    count = 0
    for y in range(height):
        for x in range(width):
            if mask[y, x]:
                flat[(y + 1) * stride + x + 1] = 1
                pixels[count] = (y + 1) * stride + x + 1
                count += 1
    doomed = np.empty(count, np.int64)
    changed = True
    while changed:
        changed = False
        for half in range(2):
            dooms = 0
            for at in range(count):
                i = pixels[at]
                east, north, west, south = flat[i + 1], flat[i - stride], flat[i - 1], flat[i + stride]
                north_east, north_west = flat[i - stride + 1], flat[i - stride - 1]
                south_west, south_east = flat[i + stride - 1], flat[i + stride + 1]
                if half == 0 and (north_east | north | (1 - south_east)) & east:
                    continue
                if half == 1 and (south_west | south | (1 - north_west)) & west:
                    continue
                branches = (
                    ((1 - east) & (north_east | north))
                    + ((1 - north) & (north_west | west))
                    + ((1 - west) & (south_west | south))
                    + ((1 - south) & (south_east | east))
                )
                if branches != 1:
                    continue
                one = (east | north_east) + (north | north_west) + (west | south_west) + (south | south_east)
                other = (north_east | north) + (north_west | west) + (south_west | south) + (south_east | east)
                if 2 <= min(one, other) <= 3:
                    doomed[dooms] = i
                    dooms += 1
            if dooms:
                changed = True
                for at in range(dooms):
                    flat[doomed[at]] = 0
                left = 0
                for at in range(count):
                    if flat[pixels[at]]:
                        pixels[left] = pixels[at]
                        left += 1
                count = left
    return flat.reshape(height + 2, stride)[1:-1, 1:-1] == 1


@njit(cache=True, nogil=True)
def match_series(maps: np.ndarray, truth: np.ndarray, radius: float, outlier_cost: int, salt: int, matched: np.ndarray) -> np.ndarray:
    """Match each map of a series with one truth.

    Parameters
    ----------
    maps : bool (K, H, W); the less neighbouring maps differ, the faster.
    truth : bool (H, W).
    radius : greatest distance of a match, in pixels.
    outlier_cost : of an unmatched pair of pixels, in hundredths of a pixel.
    salt : of the hash that decides between equally good matchings; with another one for each annotator, these decisions are
        independent, as the original's are.
    matched : bool (K, H, W), where the prediction pixels that are matched are set.

    Returns
    -------
    int64 (K,): the number of matches.
    """
    pixels, places, begin, other, weight = _graph(maps, truth, radius, outlier_cost, salt)
    nodes, predictions = len(begin) - 1, len(pixels)
    alive = np.zeros(nodes, np.bool_)
    alive[predictions:] = True
    mate = np.full(nodes, -1, np.int64)
    dual = np.zeros(nodes, np.int64)
    scratch = (
        np.full(nodes, _FAR, np.int64),  # distances, all _FAR between searches
        np.empty(nodes, np.int64),  # parents
        np.empty(nodes, np.int64),  # nodes that were given a distance
        np.empty(nodes, np.int64),  # nodes of the source's side that were reached
        np.empty(nodes, np.int64),  # and how far they are
        np.empty(len(other) + 1, np.int64),  # heap: keys
        np.empty(len(other) + 1, np.int64),  # heap: nodes
    )
    counts = np.zeros(len(maps), np.int64)
    for k in range(len(maps)):
        flat = maps[k].ravel()
        for node in range(predictions):
            if alive[node] and not flat[pixels[node]]:
                alive[node] = False
                partner = mate[node]
                if partner >= 0:
                    mate[node] = mate[partner] = -1
                    _settle(partner, begin, other, weight, alive, mate, dual, scratch)
        for node in range(predictions):
            if flat[pixels[node]] and not alive[node]:
                alive[node] = True
                best = 0
                for edge in range(begin[node], begin[node + 1]):
                    best = max(best, weight[edge] - dual[other[edge]])
                dual[node] = best
                _settle(node, begin, other, weight, alive, mate, dual, scratch)
        into = matched[k]
        for node in range(predictions):
            if mate[node] >= 0:
                counts[k] += 1
                into[places[node, 0], places[node, 1]] = True
    return counts


@njit(cache=True, nogil=True)
def _graph(
    maps: np.ndarray, truth: np.ndarray, radius: float, outlier_cost: int, salt: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Nodes and weighted edges: first every pixel that is in any map and near the truth, then every true pixel.

    Returns the prediction nodes' flat places (P,) and rows and columns (P, 2), and the edges of node i as entries begin[i] to
    begin[i + 1] of `other` and `weight`.
    """
    height, width = truth.shape
    reach = int(radius)
    side = 2 * reach + 1
    cost = np.full((side, side), -1, np.int64)
    for v in range(-reach, reach + 1):
        for u in range(-reach, reach + 1):
            if u * u + v * v <= radius * radius:
                cost[v + reach, u + reach] = np.int64(np.rint(np.sqrt(u * u + v * v) * 100))
    near = np.zeros((height, width), np.int64)  # how many true pixels are within the radius
    name = np.full((height, width), -1, np.int64)
    truths = 0
    for y in range(height):
        for x in range(width):
            if not truth[y, x]:
                continue
            name[y, x] = truths
            truths += 1
            for b in range(max(0, y - reach), min(height, y + reach + 1)):
                for a in range(max(0, x - reach), min(width, x + reach + 1)):
                    if cost[b - y + reach, a - x + reach] >= 0:
                        near[b, a] += 1
    used = np.zeros((height, width), np.bool_)
    for k in range(len(maps)):
        for y in range(height):
            for x in range(width):
                if maps[k, y, x]:
                    used[y, x] = True
    predictions = edges = 0
    for y in range(height):
        for x in range(width):
            if used[y, x] and near[y, x]:
                predictions += 1
                edges += near[y, x]
    places = np.empty((predictions, 2), np.int64)
    begin = np.zeros(predictions + truths + 1, np.int64)
    other = np.empty(2 * edges, np.int32)
    weight = np.empty(2 * edges, np.int64)
    node = at = 0
    for y in range(height):
        for x in range(width):
            if not (used[y, x] and near[y, x]):
                continue
            places[node, 0], places[node, 1] = y, x
            tie = _hash((salt << 40) + y * width + x)
            for b in range(max(0, y - reach), min(height, y + reach + 1)):
                for a in range(max(0, x - reach), min(width, x + reach + 1)):
                    if name[b, a] >= 0 and cost[b - y + reach, a - x + reach] >= 0:
                        other[at] = predictions + name[b, a]
                        weight[at] = ((outlier_cost - cost[b - y + reach, a - x + reach]) << _FRACTION) + tie
                        begin[other[at] + 1] += 1
                        at += 1
            node += 1
            begin[node] = at
    for i in range(predictions, predictions + truths):
        begin[i + 1] += begin[i]
    filled = begin[predictions:-1].copy()
    for i in range(predictions):
        for edge in range(begin[i], begin[i + 1]):
            to = other[edge] - predictions
            other[filled[to]] = i
            weight[filled[to]] = weight[edge]
            filled[to] += 1
    return places[:, 0] * width + places[:, 1], places, begin, other, weight


@njit(cache=True, nogil=True)
def _hash(value: int) -> np.int64:
    """24 bits without a pattern (the finaliser of SplitMix64)."""
    mixed = np.uint64(value) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40))


@njit(cache=True, nogil=True)
def _settle(
    source: int,
    begin: np.ndarray,
    other: np.ndarray,
    weight: np.ndarray,
    alive: np.ndarray,
    mate: np.ndarray,
    dual: np.ndarray,
    scratch: tuple[np.ndarray, ...],
) -> None:
    """Make the matching optimal again after one node, `source`, has become free.

    Always dual[i] >= 0 and dual[i] + dual[j] >= weight[i, j], with equality on matches; optimal when free nodes have dual 0.
    Of the alternating paths that start at `source`, the one of least slack is flipped: it ends at a free node of the other side,
    or drops a node of its own side (which may be `source` itself).
    """
    distance, parent, touched, reached, depth, key, queue = scratch
    best, end, end_is_other = dual[source], source, False
    node, here = source, np.int64(0)
    touches = size = 0
    reached[0], depth[0] = source, 0
    reaches = 1
    while best > 0:
        base = here + dual[node]
        for edge in range(begin[node], begin[node + 1]):
            to = other[edge]
            if not alive[to]:
                continue
            far = base + dual[to] - weight[edge]
            if far < best and far < distance[to]:
                if distance[to] == _FAR:
                    touched[touches] = to
                    touches += 1
                distance[to], parent[to] = far, node
                size = _push(key, queue, size, far, to)
        to = -1
        while size:
            here, to = key[0], np.int64(queue[0])
            size = _pop(key, queue, size)
            if here == distance[to]:
                break
            to = -1
        if to < 0 or here >= best:
            break
        node = mate[to]
        if node < 0:
            best, end, end_is_other = here, to, True
            break
        reached[reaches], depth[reaches] = node, here
        reaches += 1
        if here + dual[node] < best:
            best, end = here + dual[node], node
    for at in range(reaches):
        if depth[at] < best:
            dual[reached[at]] -= best - depth[at]
    for at in range(touches):
        to = touched[at]
        if distance[to] < best:
            dual[to] += best - distance[to]
        distance[to] = _FAR
    if end == source and not end_is_other:
        return
    if end_is_other:
        to = end
    else:
        to = mate[end]
        mate[end] = -1
    while True:
        node = parent[to]
        following = mate[node]
        mate[node], mate[to] = to, node
        if node == source:
            return
        to = following


@njit(cache=True, nogil=True)
def _push(key: np.ndarray, queue: np.ndarray, size: int, value: int, node: int) -> int:
    """Add to a binary heap; returns its new size."""
    at = size
    while at:
        up = (at - 1) >> 1
        if key[up] <= value:
            break
        key[at], queue[at] = key[up], queue[up]
        at = up
    key[at], queue[at] = value, node
    return size + 1


@njit(cache=True, nogil=True)
def _pop(key: np.ndarray, queue: np.ndarray, size: int) -> int:
    """Remove the least of a binary heap; returns its new size."""
    size -= 1
    value, node = key[size], queue[size]
    at = 0
    while True:
        down = 2 * at + 1
        if down >= size:
            break
        if down + 1 < size and key[down + 1] < key[down]:
            down += 1
        if key[down] >= value:
            break
        key[at], queue[at] = key[down], queue[down]
        at = down
    key[at], queue[at] = value, node
    return size
