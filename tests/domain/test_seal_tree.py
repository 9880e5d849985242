"""The Merkle tree against a definition of its own, vectors of RFC 6962, and every forgery."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.seal_tree import (
    EMPTY_ROOT,
    append,
    consistency_parts,
    fold,
    frontier,
    inclusion_parts,
    leaf_hash,
    nodes_of,
    proof_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)

SIZES = range(131)
# The eight leaves of the tests that the Certificate Transparency projects share, with their roots.
VECTORS = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(leaves):
    """The definition of RFC 6962, 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = naive_root(leaves[:split]), naive_root(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


def naive_path(index, leaves):
    """The definition of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_proof(old, leaves, whole=True):
    """The definition of RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*naive_proof(old, leaves[:split], whole), naive_root(leaves[split:])]
    return [*naive_proof(old - split, leaves[split:], False), naive_root(leaves[:split])]


LEAVES = [leaf_hash(bytes([number])) for number in SIZES]


def subtrees(leaves):
    """Every complete subtree of a tree, as the sealer keeps them."""
    kept, peaks = {}, []
    for index, leaf in enumerate(leaves):
        peaks, nodes = append(peaks, index, leaf)
        kept.update(nodes)
    return kept


NODES = subtrees(LEAVES)


def inclusion(index, size):
    """The proof that a leaf is in the tree of a size."""
    return proof_of(inclusion_parts(index, size), NODES)


def consistency(old, new):
    """The proof that a tree extends a smaller one."""
    return proof_of(consistency_parts(old, new), NODES)


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_certificate_transparency(size):
    """The published roots of the eight published leaves."""
    assert root_of([leaf_hash(each) for each in VECTORS[:size]]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize("size", SIZES)
def test_the_root_is_the_recursive_definition(size):
    """Grown leaf by leaf or folded from the kept subtrees, the root is the definition's."""
    root = naive_root(LEAVES[:size])
    assert root_of(LEAVES[:size]) == root
    assert fold([NODES[node] for node in frontier(size)]) == root


def test_an_empty_tree_has_the_root_of_nothing():
    """SHA-256 of the empty string."""
    assert root_of([]) == EMPTY_ROOT == sha256().digest()


@pytest.mark.parametrize("size", [*range(1, 18), 31, 32, 33, 64, 127, 130])
def test_inclusion_proofs_are_the_definition_and_verify(size):
    """For every leaf of the tree; a proof of one leaf is none of its neighbour's place."""
    root = naive_root(LEAVES[:size])
    for index in range(size):
        path = inclusion(index, size)
        assert path == naive_path(index, LEAVES[:size])
        assert verify_inclusion(LEAVES[index], index, size, path, root)
        assert not verify_inclusion(LEAVES[index], (index + 1) % size, size, path, root) or (
            size == 1
        )
        assert not verify_inclusion(LEAVES[index], index, size, [*path, root], root)
        assert not verify_inclusion(leaf_hash(b"forged"), index, size, path, root)


@pytest.mark.parametrize("new", [*range(1, 18), 31, 32, 33, 64, 127, 130])
def test_consistency_proofs_are_the_definition_and_verify(new):
    """From every smaller size."""
    root = naive_root(LEAVES[:new])
    for old in range(1, new + 1):
        path = consistency(old, new)
        assert path == naive_proof(old, LEAVES[:new])
        earlier = naive_root(LEAVES[:old])
        assert verify_consistency((old, earlier), (new, root), path)
        assert not verify_consistency((old, leaf_hash(b"forged")), (new, root), path)
        assert not verify_consistency((old, earlier), (new, leaf_hash(b"forged")), path)
        assert not verify_consistency((old, earlier), (new, root), [*path, root])
        assert not path or not verify_consistency((old, earlier), (new, root), path[:-1])


def test_a_tree_extends_the_empty_one_only_by_its_true_root():
    """Nothing is proved of a tree of no leaves but that it had none."""
    tree = (3, root_of(LEAVES[:3]))
    assert consistency_parts(0, 3) == []
    assert verify_consistency((0, EMPTY_ROOT), tree, [])
    assert not verify_consistency((0, tree[1]), tree, [])
    assert not verify_consistency((0, EMPTY_ROOT), tree, [tree[1]])


def test_sizes_that_cannot_be_are_refused():
    """No leaf beyond the tree, no larger tree as the older one."""
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_parts(3, 3)
    with pytest.raises(ValueError, match="no such leaf"):
        inclusion_parts(-1, 3)
    with pytest.raises(ValueError, match="earlier one"):
        consistency_parts(4, 3)
    root = root_of(LEAVES[:3])
    assert not verify_inclusion(LEAVES[0], 3, 3, [], root)
    assert not verify_consistency((4, root), (3, root), [])
    assert not verify_consistency((3, root), (5, root), [])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**7), st.integers(1, 10**7))
def test_a_proof_needs_few_subtrees(index, size):
    """What a proof is put together from grows with the logarithm, and lies inside the tree."""
    index %= size
    depth = (size - 1).bit_length()
    parts = inclusion_parts(index, size)
    assert len(parts) <= depth
    for level, place in nodes_of(parts) | nodes_of(consistency_parts(index, size)):
        assert (place + 1) << level <= size
    assert len(nodes_of(parts)) <= 2 * depth


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_changed_leaf_changes_the_root(data):
    """Whichever leaf is another, missing or moved, the root is another."""
    leaves = data.draw(st.lists(st.binary(max_size=4), min_size=1, max_size=40).map(
        lambda each: [leaf_hash(value) for value in each]))  # fmt: skip
    place = data.draw(st.integers(0, len(leaves) - 1))
    root = root_of(leaves)
    assert root_of([*leaves[:place], leaf_hash(b"other"), *leaves[place + 1 :]]) != root
    assert root_of(leaves[:place] + leaves[place + 1 :]) != root


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_bent_proof_proves_nothing(data):
    """One hash of a proof replaced, dropped or doubled makes it fail."""
    new = data.draw(st.integers(2, 130))
    old = data.draw(st.integers(1, new))
    root, earlier = root_of(LEAVES[:new]), root_of(LEAVES[:old])
    path, chain = inclusion(old - 1, new), consistency(old, new)
    place = data.draw(st.integers(0, 9))
    for bend in (_replace, _drop, _double):
        if path:
            bent = bend(path, place % len(path))
            assert not verify_inclusion(LEAVES[old - 1], old - 1, new, bent, root)
        if chain:
            bent = bend(chain, place % len(chain))
            assert not verify_consistency((old, earlier), (new, root), bent)


def _replace(proof, place):
    return [*proof[:place], leaf_hash(b"forged"), *proof[place + 1 :]]


def _drop(proof, place):
    return proof[:place] + proof[place + 1 :]


def _double(proof, place):
    return [*proof[: place + 1], *proof[place:]]
