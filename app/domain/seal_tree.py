"""The Merkle tree of RFC 6962: roots, and proofs of inclusion and of consistency.

A tree is given by its leaf hashes. What is kept of a growing tree is its complete subtrees, each
addressed by `Node` (level, index): it covers the leaves index * 2**level up to the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

Node = tuple[int, int]
# The complete subtrees that together are one hash of a proof, left to right.
Part = tuple[Node, ...]

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """Hash the bytes of a leaf (RFC 6962, 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into the one above them (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    peaks: list[bytes] = []
    for index, leaf in enumerate(leaves):
        peaks, _ = append(peaks, index, leaf)
    return fold(peaks)


def frontier(size: int) -> Part:
    """Return the complete subtrees that make up a tree, largest first."""
    return _cover(0, size)


def fold(peaks: Sequence[bytes]) -> bytes:
    """Return the root over the hashes of a frontier."""
    if not peaks:
        return EMPTY_ROOT
    *rest, root = peaks
    for peak in reversed(rest):
        root = node_hash(peak, root)
    return root


def append(
    peaks: Sequence[bytes], size: int, leaf: bytes
) -> tuple[list[bytes], list[tuple[Node, bytes]]]:
    """Add a leaf to the frontier of a tree of `size` leaves.

    Returns the new frontier and every subtree that became complete, the leaf's own included.
    """
    grown = list(peaks)
    index, level, complete = size, 0, leaf
    nodes = [((level, index), complete)]
    while index % 2:
        complete = node_hash(grown.pop(), complete)
        index, level = index // 2, level + 1
        nodes.append(((level, index), complete))
    return [*grown, complete], nodes


def inclusion_parts(index: int, size: int) -> list[Part]:
    """Return what a proof that leaf `index` is in a tree of `size` is made of, lowest first.

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError("the tree has no such leaf")
    parts: list[Part] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            parts.append(_cover(middle, end))
            end = middle
        else:
            parts.append(_cover(start, middle))
            start = middle
    return parts[::-1]


def consistency_parts(old: int, new: int) -> list[Part]:
    """Return what a proof that the first `old` of `new` leaves are unchanged is made of.

    A tree of no leaves is a part of every tree and a tree is a part of itself: both need nothing.
    Raises ValueError when the old tree is the longer one.
    """
    if not 0 <= old <= new:
        raise ValueError("a log is consistent with an earlier one only")
    if old in {0, new}:
        return []
    parts: list[Part] = []
    start, end = 0, new
    whole = True  # the old tree is the part of the new one that was walked down to
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            parts.append(_cover(middle, end))
            end = middle
        else:
            parts.append(_cover(start, middle))
            start, whole = middle, False
    if not whole:
        parts.append(_cover(start, end))
    return parts[::-1]


def nodes_of(parts: Iterable[Part]) -> set[Node]:
    """Return every subtree that must be known to put a proof together."""
    return {node for part in parts for node in part}


def proof_of(parts: Iterable[Part], hashes: Mapping[Node, bytes]) -> list[bytes]:
    """Put a proof together from the hashes of the subtrees it is made of."""
    return [fold([hashes[node] for node in part]) for part in parts]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether the path proves the leaf hash at `index` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position % 2 or position == last:
            computed = node_hash(sibling, computed)
            while not position % 2 and position:
                position, last = position // 2, last // 2
        else:
            computed = node_hash(computed, sibling)
        position, last = position // 2, last // 2
    return last == 0 and computed == root


def verify_consistency(
    old: tuple[int, bytes], new: tuple[int, bytes], path: Sequence[bytes]
) -> bool:
    """Tell whether the path proves that the new tree extends the old (RFC 9162, 2.1.4.2).

    Each tree is (size, root).
    """
    (old_size, old_root), (new_size, new_root) = old, new
    if not 0 <= old_size <= new_size:
        return False
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    if old_size == new_size:
        return not path and old_root == new_root
    steps = list(path) if old_size & (old_size - 1) else [old_root, *path]
    return bool(steps) and _extends(old, new, steps)


def _extends(old: tuple[int, bytes], new: tuple[int, bytes], steps: Sequence[bytes]) -> bool:
    """Walk a consistency proof from the last leaf of the old tree up to both roots."""
    position, last = old[0] - 1, new[0] - 1
    while position % 2:
        position, last = position // 2, last // 2
    old_root = new_root = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if position % 2 or position == last:
            old_root, new_root = node_hash(step, old_root), node_hash(step, new_root)
            while not position % 2 and position:
                position, last = position // 2, last // 2
        else:
            new_root = node_hash(new_root, step)
        position, last = position // 2, last // 2
    return last == 0 and old_root == old[1] and new_root == new[1]


def _split(count: int) -> int:
    """Return the largest power of two below a count of at least two."""
    return 1 << ((count - 1).bit_length() - 1)


def _cover(start: int, end: int) -> Part:
    """Return the complete subtrees of a range of leaves that is a subtree, largest first."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return tuple(nodes)
