"""From a text to its images, or back: where the answer stands, and recall at k."""

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from medkt.errors import InputError, SettingsError

_Similarity = Float[np.ndarray, "queries items"]
_Relevance = Bool[np.ndarray, "their_queries their_items"]
AT_ONCE = 1024  # queries compared with all items in one step


def ranks(*, similarity: _Similarity, relevant: _Relevance) -> Int[np.ndarray, " queries"]:
    """The place of the first relevant item of each query, from 1. Of equal similarities the irrelevant come first.

    Args:
        similarity: (queries, items), larger where closer. Transpose both for the other direction.
        relevant: (queries, items), which items answer a query; at least one each.

    Raises:
        InputError: unequal shapes, a query without a relevant item, or a similarity that is not finite.
    """
    if similarity.shape != relevant.shape or not similarity.size:
        raise InputError(f"each query has a similarity and a truth an item, got {similarity.shape}, {relevant.shape}")
    if not np.isfinite(similarity).all():
        raise InputError("a similarity is not finite; leave that item or query out")
    lonely = np.flatnonzero(~relevant.any(axis=1))
    if len(lonely):
        raise InputError(f"query {lonely[0]} has no relevant item ({len(lonely)} in all); leave such queries out")
    best = np.where(relevant, similarity, -np.inf).max(axis=1, keepdims=True)
    found: Int[np.ndarray, " queries"] = 1 + (~relevant & (similarity >= best)).sum(axis=1)
    return found


def places_of_answers(
    *,
    queries: Float[np.ndarray, "queries width"],
    items: Float[np.ndarray, "items width"],
    wanted: Int64[np.ndarray, " queries"],
    are: Int64[np.ndarray, " items"],
) -> Int[np.ndarray, " queries"]:
    """The place of the first answer to each query among all items, from 1, by exact search; see `ranks`.

    Args:
        queries: directions.
        items: the same of all that is searched; their product says how close two are.
        wanted: what each query looks for.
        are: what each item is; those that are what a query wants answer it.

    Raises:
        InputError: as `ranks`.
    """
    parts = []
    for start in range(0, len(queries), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        parts.append(ranks(similarity=queries[some] @ items.T, relevant=wanted[some, None] == are[None]))
    return np.concatenate(parts)


def recall_at_k(*, similarity: _Similarity, relevant: _Relevance, k: int) -> float:
    """The share of queries with a relevant item among the k closest, from 0 to 1; see `ranks` for ties and errors.

    Raises:
        SettingsError: k is not from 1 to the number of items.
    """
    if not 1 <= k <= similarity.shape[1]:
        raise SettingsError(f"k is from 1 to the {similarity.shape[1]} items, got {k}")
    return float((ranks(similarity=similarity, relevant=relevant) <= k).mean())
