import numpy as np
import pytest

from medkt.errors import InputError, SettingsError
from medkt.metrics import ranks, recall_at_k

SIMILARITY = np.array([[0.9, 0.2, 0.1, 0.0], [0.5, 0.5, 0.4, 0.1], [0.3, 0.9, 0.8, 0.2]])
RELEVANT = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 1]], dtype=bool)


def test_recall_by_hand() -> None:
    assert ranks(similarity=SIMILARITY, relevant=RELEVANT).tolist() == [1, 2, 3]  # a tie is lost
    found = [recall_at_k(similarity=SIMILARITY, relevant=RELEVANT, k=k) for k in (1, 2, 3, 4)]
    assert found == pytest.approx([1 / 3, 2 / 3, 1, 1])


def test_recall_of_chance_is_k_in_n() -> None:
    random = np.random.default_rng(0)
    similarity, relevant = random.random((4_000, 20)), np.zeros((4_000, 20), bool)
    relevant[:, 7] = True
    assert recall_at_k(similarity=similarity, relevant=relevant, k=5) == pytest.approx(0.25, abs=0.02)


def test_retrieval_guards() -> None:
    with pytest.raises(InputError, match="query 1 has no relevant item"):
        ranks(similarity=SIMILARITY, relevant=RELEVANT & np.array([[True], [False], [True]]))
    with pytest.raises(InputError, match="a similarity is not finite"):
        ranks(similarity=np.full((3, 4), np.nan), relevant=RELEVANT)
    with pytest.raises(InputError, match=r"got \(3, 4\), \(3, 3\)"):
        ranks(similarity=SIMILARITY, relevant=RELEVANT[:, :3])
    with pytest.raises(SettingsError, match="k is from 1 to the 4 items, got 5"):
        recall_at_k(similarity=SIMILARITY, relevant=RELEVANT, k=5)
