"""Learnt concepts in use: which encoder answers for what, and that the base is the base again afterwards."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
import torch
from learnt import GAIN, make_words, with_gain, write_learnt
from safetensors.torch import save
from segmentation.bright_spots import BrightSpots

from medkt.concepts import AskingRecord, Base, Concept, read_package, write_package
from medkt.concepts.asking_record import RIVALS, WANTED
from medkt.concepts.composition import compose
from medkt.errors import AmbiguousInputError, SettingsError, UnreadableError, WeightsError
from medkt.models.encoder import DualEncoder
from medkt.models.weights import weights_digest
from medkt.transfer.copies import ADAPTED
from medkt.transfer.packages import BASE, AdaptedEncoder, is_package

PALE, BLACK = make_words("pale_disc", "bright disc"), make_words("black_disc", "dark disc")


def gain_of(encoder: DualEncoder) -> float:
    return float(encoder.module.get_parameter("gain").detach())


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return write_learnt(tmp_path / "pale.medkt", PALE, 6.0), write_learnt(tmp_path / "black.medkt", BLACK, 2.5)


def test_nothing_learnt_is_the_base() -> None:
    base = BrightSpots()
    taught = AdaptedEncoder.of(base)
    assert taught.route("anything") == BASE
    with taught.encoder(BASE) as encoder:
        assert encoder is base


def test_one_concept_has_a_copy_and_the_base_never_changes(files: tuple[Path, Path]) -> None:
    base = BrightSpots()
    before = weights_digest(base.module)
    taught = AdaptedEncoder.of(base, files[:1])
    with taught.encoder(taught.route("pale_disc")) as encoder:
        assert gain_of(encoder) == 6.0
        assert encoder.spec.digest.startswith(ADAPTED)
        assert gain_of(base) == GAIN
    assert taught.route("black_disc") == BASE
    assert weights_digest(base.module) == before


def test_several_are_kept_apart_and_taken_off_again(files: tuple[Path, Path]) -> None:
    base = BrightSpots()
    before, spec = weights_digest(base.module), base.spec
    taught = AdaptedEncoder.of(base, files)
    for name, gain in (("pale_disc", 6.0), ("black_disc", 2.5)):
        with taught.encoder(taught.route(name)) as encoder:
            assert gain_of(encoder) == gain
        assert (weights_digest(base.module), base.spec) == (before, spec)
    with pytest.raises(RuntimeError, match="gone"), taught.encoder("pale_disc"):
        raise RuntimeError("the device is gone")
    assert (weights_digest(base.module), base.spec) == (before, spec)
    assert taught.notes == ()


def test_what_lies_over_the_base_is_not_seen_from_another_thread(files: tuple[Path, Path]) -> None:
    base = BrightSpots()
    taught, plain = AdaptedEncoder.of(base, files), AdaptedEncoder.of(base)
    laid, done = Event(), Event()

    def changes_it() -> float:
        with taught.encoder("pale_disc") as encoder:
            laid.set()
            done.wait(0.5)
            return gain_of(encoder)

    def asks(one: AdaptedEncoder, route: str) -> float:
        assert laid.wait(5)
        with one.encoder(route) as encoder:
            done.set()
            return gain_of(encoder)

    with ThreadPoolExecutor(4) as threads:
        found = [
            threads.submit(changes_it),
            threads.submit(asks, plain, BASE),
            threads.submit(asks, taught, BASE),
            threads.submit(asks, taught, "black_disc"),
        ]
        assert [one.result(10) for one in found] == [6.0, GAIN, GAIN, 2.5]
    assert gain_of(base) == GAIN


def test_threads_that_change_nothing_do_not_wait_for_each_other() -> None:
    taught, met = AdaptedEncoder.of(BrightSpots()), Barrier(2)

    def asks() -> int:
        with taught.encoder(BASE):
            return met.wait(5)

    with ThreadPoolExecutor(2) as threads:
        assert sorted(one.result(10) for one in [threads.submit(asks), threads.submit(asks)]) == [0, 1]


@pytest.mark.parametrize("given", [str, lambda path: iter([path])], ids=["alone", "once"])
def test_one_package_may_be_given_alone_and_several_only_once(
    files: tuple[Path, Path], given: Callable[[Path], Any]
) -> None:
    assert [one.id for one in AdaptedEncoder.of(BrightSpots(), given(files[0])).concepts] == ["pale_disc"]


def test_together_is_the_sum_and_says_how_they_meet(files: tuple[Path, Path]) -> None:
    base = BrightSpots()
    taught = AdaptedEncoder.of(base, files, together=True)
    assert taught.route("pale_disc") == taught.route("black_disc") != BASE
    with taught.encoder(taught.route("pale_disc")) as encoder:
        assert gain_of(encoder) == GAIN + 3.0 - 0.5
        (facts,) = taught.facts(taught.route("pale_disc"), ["pale_disc"], encoder)
    assert gain_of(base) == GAIN
    (note,) = taught.notes  # one number, changed in opposite directions
    assert note.startswith("pale_disc and black_disc are in one encoder: the cosine between their changes is -1.000")
    assert "they share 100% of the numbers" in note
    assert facts.packages == tuple(read_package(file).digest for file in files)
    assert facts.base_digest == weights_digest(base.module)


def test_a_composed_file_is_the_same_as_its_parts(files: tuple[Path, Path], tmp_path: Path) -> None:
    compose(files, tmp_path / "both.medkt")
    taught = AdaptedEncoder.of(BrightSpots(), [tmp_path / "both.medkt"])
    for name, gain in (("pale_disc", 6.0), ("black_disc", 2.5)):
        with taught.encoder(taught.route(name)) as encoder:
            assert gain_of(encoder) == gain


def test_a_learnt_concept_has_its_names(files: tuple[Path, Path]) -> None:
    taught = AdaptedEncoder.of(BrightSpots(), files)
    assert [taught.named(name) and taught.named(name).id for name in ("pale_disc", "Bright Disc", "disc")] == [
        "pale_disc", "pale_disc", None,
    ]  # fmt: skip


def test_the_wrong_base_is_refused_with_the_file(files: tuple[Path, Path]) -> None:
    other = with_gain(BrightSpots(), 3.5)
    with pytest.raises(WeightsError, match=rf"{files[0]}: the weights of pale_disc belong to bright-spots with"):
        AdaptedEncoder.of(other, files)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    from concepts.making import delta

    from medkt.concepts import Base, write_package

    base = BrightSpots()
    about = {
        "format": "1", "kind": "full", "base_name": "bright-spots", "base_digest": weights_digest(base.module),
        "adapted_digest": "", "error": "0.0", "exact": "{}",
    }  # fmt: skip
    write_package(
        tmp_path / "odd.medkt", concept=PALE, delta=delta(1.0, name="no_such_weight", **about), recipe={},
        base=Base(name="bright-spots", digest=about["base_digest"]),
    )  # fmt: skip
    with pytest.raises(WeightsError, match=r"does not fit bright-spots: unexpected no_such_weight"):
        AdaptedEncoder.of(base, [tmp_path / "odd.medkt"])


def test_one_concept_twice_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    again = write_learnt(tmp_path / "again.medkt", PALE, 4.0)
    with pytest.raises(SettingsError, match=rf"{again}: pale_disc is in another of the packages too"):
        AdaptedEncoder.of(BrightSpots(), [files[0], again])


def test_the_same_id_with_other_words_is_refused(files: tuple[Path, Path]) -> None:
    taught = AdaptedEncoder.of(BrightSpots(), files)
    taught.require_same_words(PALE)
    with pytest.raises(SettingsError, match="pale_disc is asked for with other words than those it was learnt with"):
        taught.require_same_words(make_words("pale_disc", "bright ring"))


def test_a_damaged_file_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "torn.medkt").write_bytes(bytes(content))
    with pytest.raises(UnreadableError, match=r"torn\.medkt"):
        AdaptedEncoder.of(BrightSpots(), [tmp_path / "torn.medkt"])


def test_what_names_a_package() -> None:
    assert [is_package(one) for one in ("a.medkt", Path("b/a.medkt"), "a.yaml", PALE)] == [True, True, False, False]


def test_a_concept_that_was_kept_against_its_audit_is_told_wherever_it_is_used(tmp_path: Path) -> None:
    base, target = BrightSpots(), tmp_path / "kept.medkt"
    one = read_package(write_learnt(tmp_path / "pale.medkt", PALE, 6.0)).learnt[0]
    audit = {"words carried": {"answer": "no", "line": "words carried: no: a guess"}, "kept anyway": True}
    digest = weights_digest(base.module)
    write_package(
        target, concept=PALE, delta=one.delta, base=Base(name=base.spec.name, digest=digest), recipe={}, audit=audit
    )
    assert AdaptedEncoder.of(base, [target]).notes == ("pale_disc: words carried: no: a guess (kept anyway)",)


def asking_of(base: BrightSpots, **changed: Any) -> AskingRecord:
    """Asked by "bright" among "dark", the two axes of the encoder's space."""
    vectors = save({WANTED: torch.tensor([1.0, 0.0]), RIVALS: torch.tensor([[0.0, 1.0]])})
    given: dict[str, Any] = {
        "way": "virtual", "texts": ("a bright disc",), "known": ("us_cyst",), "bias": 0.1,
        "base_digest": weights_digest(base.module), "vectors": vectors,
    }  # fmt: skip
    return AskingRecord(**{**given, **changed})


def write_asked(path: Path, concept: Concept, **changed: Any) -> Path:
    """A package without weights."""
    base = BrightSpots()
    asking = asking_of(base, **changed)
    write_package(
        path, concept=concept, base=Base(name=base.spec.name, digest=asking.base_digest), recipe={}, asking=asking
    )
    return path


def test_what_is_only_asked_is_asked_of_the_base_and_recorded(tmp_path: Path, files: tuple[Path, Path]) -> None:
    base, grey = BrightSpots(), make_words("grey_disc", "grey disc")
    taught = AdaptedEncoder.of(base, [write_asked(tmp_path / "grey.medkt", grey), files[0]])
    assert taught.route("grey_disc") == BASE
    assert set(taught.asked) == {"grey_disc"}
    assert (taught.asked["grey_disc"].bias, taught.asked["grey_disc"].known) == (0.1, 1)
    assert taught.named("grey disc") is not None
    with taught.encoder(BASE) as encoder:
        assert encoder is base
        (facts,) = taught.facts(BASE, ["grey_disc", "us_cyst"], encoder)
        assert taught.facts(BASE, ["us_cyst"], encoder) == ()
    assert facts.concepts == ("grey_disc",)
    assert facts.ways == {"grey_disc": "virtual"}
    assert facts.packages == (read_package(tmp_path / "grey.medkt").digest,)
    with taught.encoder(taught.route("pale_disc")) as adapted:
        (learned,) = taught.facts("pale_disc", ["pale_disc"], adapted)
    assert learned.ways == {}


def test_one_concept_asked_twice_is_refused(tmp_path: Path, files: tuple[Path, Path]) -> None:
    with pytest.raises(SettingsError, match="pale_disc is in another of the packages too"):
        AdaptedEncoder.of(BrightSpots(), [files[0], write_asked(tmp_path / "again.medkt", PALE)])


def test_directions_of_another_base_are_refused(tmp_path: Path) -> None:
    path = write_asked(tmp_path / "grey.medkt", make_words("grey_disc", "grey disc"))
    with pytest.raises(WeightsError, match=r"grey.medkt: the directions of grey_disc belong to bright-spots"):
        AdaptedEncoder.of(with_gain(BrightSpots(), 5.0), [path])


def test_a_name_of_two_learnt_concepts_means_neither(tmp_path: Path) -> None:
    files = [write_learnt(tmp_path / f"{id_}.medkt", make_words(id_, "grey spot"), 6.0) for id_ in ("one", "other")]
    taught = AdaptedEncoder.of(BrightSpots(), files)
    with pytest.raises(
        AmbiguousInputError, match=r"'Grey spot' means 2 learnt concepts \(one, other\); name one by its id"
    ):
        taught.named("Grey spot")
    assert [one.id for one in (taught.named("one"), taught.named("other")) if one] == ["one", "other"]
