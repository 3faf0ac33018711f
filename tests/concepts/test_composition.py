"""Several concepts in one file, and how much their changes get in each other's way."""

from pathlib import Path

import numpy as np
import pytest
from making import BASE, delta, package_file, safetensors

from medkt.concepts import load_concept, read_package
from medkt.concepts.composition import compose, interference
from medkt.concepts.package import PackagedConcept
from medkt.errors import AmbiguousInputError, WeightsError


def _learnt(content: bytes, concept: str = "ct_nodule") -> PackagedConcept:
    return PackagedConcept(concept=load_concept(concept), delta=content)


def test_parts_stay_as_they_were(tmp_path: Path) -> None:
    one = package_file(tmp_path / "a.medkt", delta=delta(1, 0))
    package_file(tmp_path / "b.medkt", "ct_nodule", delta=delta(1, 1), card="b")
    made = compose([tmp_path / "a.medkt", tmp_path / "b.medkt"], tmp_path / "c.medkt")
    read = read_package(tmp_path / "c.medkt")
    assert [one.concept.id for one in read.learnt] == ["cxr_nodule", "ct_nodule"]
    assert [one.delta for one in read.learnt] == [delta(1, 0), delta(1, 1)]
    assert [one.card for one in read.learnt] == ["# A card\n", "b"]
    assert (read.base, read.digest) == (BASE, made.digest)
    assert read.interference["cosine"] == [[1.0, 0.707107], [0.707107, 1.0]]
    assert read.interference["parts"][0] == {"concepts": ["cxr_nodule"], "manifest": one.digest, "public_key": ""}
    with pytest.raises(AmbiguousInputError, match=r"holds 2 concepts \(cxr_nodule, ct_nodule\)"):
        load_concept(tmp_path / "c.medkt")


def test_a_composed_one_can_be_composed_again(tmp_path: Path) -> None:
    for name, concept in (("a", "cxr_nodule"), ("b", "ct_nodule"), ("c", "mri_glioma")):
        package_file(tmp_path / f"{name}.medkt", concept)
    compose([tmp_path / "a.medkt", tmp_path / "b.medkt"], tmp_path / "ab.medkt")
    made = compose([tmp_path / "ab.medkt", tmp_path / "c.medkt"], tmp_path / "abc.medkt")
    assert [concept.id for concept in made.concepts] == ["cxr_nodule", "ct_nodule", "mri_glioma"]
    assert [part["concepts"] for part in made.interference["parts"]] == [["cxr_nodule", "ct_nodule"], ["mri_glioma"]]


def test_factors_and_full_differences_agree() -> None:
    """The trace of small matrices is the sum over the whole ones, however each change is kept."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(7, 2)), rng.normal(size=(2, 5))
    other_left, other_right = rng.normal(size=(7, 3)), rng.normal(size=(3, 5))
    bias = rng.normal(size=4)
    factors = safetensors({"w.left": left, "w.right": right, "b": bias})
    others = safetensors({"w.left": other_left, "w.right": other_right, "only": rng.normal(size=3)})
    full, other_full = left @ right, other_left @ other_right
    a, b = np.append(full.ravel(), bias), other_full.ravel()
    only = read_norm(others) ** 2 - float(b @ b)
    expected = float(full.ravel() @ b) / (np.linalg.norm(a) * np.sqrt(b @ b + only))
    table = interference([_learnt(factors), _learnt(others)])
    assert table["cosine"][0][1] == table["cosine"][1][0] == pytest.approx(expected, abs=1e-6)
    assert table["norm"][0] == pytest.approx(np.linalg.norm(a), rel=1e-5)
    assert table["shared"][0][1] == pytest.approx(float(np.sum(full**2) / (a @ a)), abs=1e-6)
    mixed = interference([_learnt(safetensors({"w": full, "b": bias})), _learnt(others)])
    assert mixed["cosine"] == table["cosine"]


def read_norm(content: bytes) -> float:
    return float(interference([_learnt(content)])["norm"][0])


def test_changes_of_other_weights_do_not_meet() -> None:
    table = interference([_learnt(delta(1, 2)), _learnt(delta(1, 2, name="v"))])
    assert table["cosine"] == [[1.0, 0.0], [0.0, 1.0]]
    assert table["shared"] == [[1.0, 0.0], [0.0, 1.0]]


def test_a_change_of_nothing() -> None:
    table = interference([_learnt(delta(0, 0)), _learnt(delta(1, 2))])
    assert table["cosine"] == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (safetensors({"w.left": np.zeros((2, 1))}), r"w\.left stands without its other half"),
        (safetensors({"w.right": np.zeros((1, 2))}), r"w\.right stands without its other half"),
        (safetensors({"w.left": np.zeros((2, 1)), "w.right": np.zeros((2, 2))}), "the factors of w do not fit"),
        (delta(float("inf")), "holds NaN or infinity"),
        (delta(1, 2, 3), "w has 3 numbers in one concept and 2 in the other"),
    ],
)
def test_changes_that_cannot_be_compared(content: bytes, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        interference([_learnt(content), _learnt(delta(1, 2))])
