"""Differences: made, kept in a file, applied, taken off, compared; and each way in which they do not fit."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load, save

from medkt.errors import InputError, SettingsError, UnreadableError, WeightsError
from medkt.models.encoder import DualEncoder
from medkt.models.small import load_small
from medkt.models.weights import weights_digest
from medkt.transfer.copies import ADAPTED, copy_encoder, interpolate
from medkt.transfer.delta import (
    DeltaSettings,
    applied,
    apply,
    from_bytes,
    interference,
    make_delta,
    to_bytes,
)

FULL = DeltaSettings(kind="full", storage="float32")
MATRIX, NORM = "image.blocks.5.mlp.0.weight", "image.blocks.5.norm1.weight"
KERNEL = "image.stem.fine.0.weight"


@pytest.fixture(scope="module")
def base() -> DualEncoder:
    return load_small()


@pytest.fixture(autouse=True)
def _the_base_is_untouched(base: DualEncoder) -> Iterator[None]:
    before, spec = weights_digest(base.module), base.spec
    yield
    assert weights_digest(base.module) == before
    assert base.spec == spec


def make_adapted(base: DualEncoder, *, rank: int | None = None, seed: int = 0, size: float = 1e-3) -> DualEncoder:
    """A copy in which a matrix, a kernel and a norm's weights have changed, the matrices by a product of that rank."""
    generator = torch.Generator().manual_seed(seed)
    adapted = copy_encoder(base)
    for name in (MATRIX, KERNEL, NORM):
        weight = adapted.module.get_parameter(name)
        flat = weight.data.view(len(weight), -1)
        if rank is None or weight.ndim < 2:
            flat += size * torch.randn(flat.shape, generator=generator)
        else:
            left = torch.randn(len(flat), rank, generator=generator)
            flat += size * (left @ torch.randn(rank, flat.shape[1], generator=generator))
    return adapted


@pytest.mark.parametrize("size", [1e-6, 1e-3, 10.0])
def test_full_is_exact_to_the_bit(base: DualEncoder, size: float) -> None:
    adapted = make_adapted(base, size=size)
    delta = from_bytes(to_bytes(make_delta(base, adapted, FULL)))
    assert set(delta.weights) == {MATRIX, KERNEL, NORM}
    assert delta.error == 0
    made = apply(base, delta)
    assert weights_digest(made.module) == weights_digest(adapted.module) == delta.adapted_digest
    assert made.spec.digest == ADAPTED + delta.adapted_digest
    assert not any(parameter.requires_grad for parameter in made.module.parameters())


def test_the_same_difference_is_the_same_bytes(base: DualEncoder) -> None:
    delta = make_delta(base, make_adapted(base, rank=2), DeltaSettings())
    written = {to_bytes(delta) for _ in range(8)}  # the order of metadata would differ in nearly every one
    assert len(written) == 1
    again = from_bytes(written.pop())
    assert all(torch.equal(again.tensors[name], value) for name, value in delta.tensors.items())


def test_numbers_that_no_difference_reaches_are_kept_apart(base: DualEncoder) -> None:
    """1 to 1e-30: in float64 too the difference is -1, and what it leads to is 0."""
    adapted = copy_encoder(base)
    adapted.module.get_parameter(NORM).data[3] = 1e-30
    delta = make_delta(base, adapted, FULL)
    assert delta.exact == {NORM: ((3, pytest.approx(1e-30)),)}
    made = apply(base, from_bytes(to_bytes(delta)))
    assert weights_digest(made.module) == weights_digest(adapted.module)


def test_many_such_numbers_make_it_wider(base: DualEncoder) -> None:
    adapted = copy_encoder(base)
    adapted.module.get_parameter(MATRIX).data.mul_(1e-9)
    delta = make_delta(base, adapted, FULL)
    assert delta.tensors[MATRIX].dtype == torch.float64
    assert weights_digest(apply(base, delta).module) == weights_digest(adapted.module)


def test_applied_and_taken_off_bit_for_bit(base: DualEncoder) -> None:
    adapted = make_adapted(base)
    delta, digest = make_delta(base, adapted, FULL), weights_digest(base.module)
    with applied(base, [delta]) as inside:
        assert inside is base
        assert weights_digest(base.module) == weights_digest(adapted.module)
        assert base.spec.digest.startswith(ADAPTED)
    assert weights_digest(base.module) == digest
    with pytest.raises(ZeroDivisionError), applied(base, [delta]):
        _ = 1 / 0
    assert weights_digest(base.module) == digest


def test_several_are_summed(base: DualEncoder) -> None:
    models = [make_adapted(base, seed=seed) for seed in (0, 1)]
    deltas = [make_delta(base, model, FULL) for model in models]
    expected = base.module.get_parameter(MATRIX).double()
    expected = sum((model.module.get_parameter(MATRIX).double() - expected for model in models), expected)
    with applied(base, deltas):
        assert torch.allclose(base.module.get_parameter(MATRIX).double(), expected, atol=1e-7)


def test_low_rank_finds_the_rank_and_is_small(base: DualEncoder) -> None:
    adapted = make_adapted(base, rank=2)
    delta = make_delta(base, adapted, DeltaSettings(kind="low-rank", storage="float32", energy=0.9999, max_bytes=None))
    assert delta.tensors[MATRIX + ".left"].shape == (384, 2)
    assert delta.tensors[KERNEL + ".right"].shape == (2, 48 * 9)
    assert NORM in delta.tensors
    assert delta.error < 1e-3
    made = apply(base, delta)
    change = (adapted.module.get_parameter(MATRIX) - base.module.get_parameter(MATRIX)).norm()
    assert (made.module.get_parameter(MATRIX) - adapted.module.get_parameter(MATRIX)).norm() < 1e-3 * change
    assert delta.size < make_delta(base, adapted, FULL).size / 10


def test_energy_decides_the_rank(base: DualEncoder) -> None:
    adapted = make_adapted(base)
    half = make_delta(base, adapted, DeltaSettings(energy=0.5, storage="float32", max_bytes=None))
    change = adapted.module.get_parameter(MATRIX).double() - base.module.get_parameter(MATRIX).double()
    held = torch.linalg.svdvals(change).square().cumsum(0)
    rank = half.tensors[MATRIX + ".left"].shape[1]
    assert held[rank - 2] < 0.5 * held[-1] <= held[rank - 1]
    assert half.error**2 == pytest.approx(0.5, abs=0.05)


def test_the_bound_on_bytes_holds(base: DualEncoder) -> None:
    adapted = make_adapted(base)
    for bound in (4000, 20_000):
        delta = make_delta(base, adapted, DeltaSettings(max_bytes=bound))
        assert bound // 2 < delta.size <= bound
    with pytest.raises(SettingsError, match="max_bytes 100 is too small: what is kept in full alone takes 256"):
        make_delta(base, adapted, DeltaSettings(max_bytes=100))


@pytest.mark.parametrize(("storage", "bound"), [("float16", 1e-3), ("bfloat16", 1e-2)])
def test_half_storage_records_its_error(base: DualEncoder, storage: str, bound: float) -> None:
    adapted = make_adapted(base)
    delta = make_delta(base, adapted, DeltaSettings(kind="full", storage=storage))
    before, after = base.module.state_dict(), adapted.module.state_dict()
    change = [after[name].double() - before[name].double() for name in delta.weights]
    lost = sum(
        float((delta.difference(n, c.shape) - c).square().sum()) for n, c in zip(delta.weights, change, strict=True)
    )
    assert 0 < delta.error < bound
    assert delta.error == pytest.approx((lost / sum(float(c.square().sum()) for c in change)) ** 0.5)
    assert delta.adapted_digest == ""


def test_lora_keeps_its_rank_and_refuses_another(base: DualEncoder) -> None:
    adapted = make_adapted(base, rank=2)
    delta = make_delta(base, adapted, DeltaSettings(kind="lora", rank=2, storage="float32"))
    assert delta.tensors[MATRIX + ".left"].shape == (384, 2)
    assert delta.error < 1e-3
    with pytest.raises(WeightsError, match=r"the difference is not of rank 1: .* would be lost"):
        make_delta(base, adapted, DeltaSettings(kind="lora", rank=1, storage="float32"))


def test_interference(base: DualEncoder) -> None:
    first, second = make_adapted(base, seed=0), make_adapted(base, seed=1)
    back = interpolate(base, first, 0.5)
    deltas = [make_delta(base, model, FULL) for model in (first, second, back)]
    rows = {(row.first, row.second, row.weight): row for row in interference(base, deltas)}
    assert abs(rows[0, 1, ""].cosine) < 0.05
    assert rows[0, 1, ""].overlap == pytest.approx(2 / 3.1416, abs=0.02)  # of independent normal numbers
    assert rows[0, 2, ""].cosine == pytest.approx(1, abs=1e-3)
    assert rows[0, 2, MATRIX].norms[1] == pytest.approx(rows[0, 2, MATRIX].norms[0] / 2, rel=1e-3)
    assert len(rows) == 3 * 4


def test_interference_of_weights_that_only_one_changes(base: DualEncoder) -> None:
    models = [copy_encoder(base), copy_encoder(base)]
    for model, name in zip(models, (MATRIX, NORM), strict=True):
        model.module.get_parameter(name).data.add_(0.1)
    rows = interference(base, [make_delta(base, model, FULL) for model in models])
    assert [(row.cosine, row.overlap) for row in rows] == [(0, 0)] * 3


def test_interpolation_has_both_ends_exactly(base: DualEncoder) -> None:
    adapted = make_adapted(base)
    assert weights_digest(interpolate(base, adapted, 0.0).module) == weights_digest(base.module)
    assert interpolate(base, adapted, 0.0).spec == base.spec
    assert weights_digest(interpolate(base, adapted, 1.0).module) == weights_digest(adapted.module)
    between = interpolate(base, adapted, 0.25).module.get_parameter(MATRIX)
    with pytest.raises(InputError, match=r"interpolation is between 0 .* got 1.5"):
        interpolate(base, adapted, 1.5)
    ends = [model.module.get_parameter(MATRIX) for model in (base, adapted)]
    assert torch.allclose(between, 0.75 * ends[0] + 0.25 * ends[1], atol=1e-7)


def damaged(change: Callable[[dict[str, torch.Tensor], dict[str, str]], None], base: DualEncoder) -> bytes:
    """A low-rank file in which something was changed."""
    content = to_bytes(make_delta(base, make_adapted(base, rank=2), DeltaSettings()))
    delta = from_bytes(content)
    metadata = {
        "format": "1", "kind": delta.kind, "base_name": delta.base_name, "base_digest": delta.base_digest,
        "adapted_digest": "", "error": repr(delta.error), "exact": "{}",
    }  # fmt: skip
    tensors = load(content)
    change(tensors, metadata)
    return save(tensors, metadata)


def test_another_base(base: DualEncoder) -> None:
    delta, other = make_delta(base, make_adapted(base), FULL), make_adapted(base, seed=5)
    with pytest.raises(WeightsError, match=r"belongs to small.* with the weights .*, not to this small"):
        apply(other, delta)
    with pytest.raises(WeightsError, match="not to this small"), applied(other, [delta]):
        pass
    with pytest.raises(WeightsError, match="no difference was given"), applied(base, []):
        pass


def test_what_does_not_fit_is_listed(base: DualEncoder) -> None:
    delta = make_delta(base, make_adapted(base), FULL)
    tensors = {**delta.tensors, "image.ghost.weight": torch.zeros(2), NORM: torch.zeros(3)}
    with pytest.raises(WeightsError, match=f"unexpected image.ghost.weight, of another shape {NORM}"):
        apply(base, replace(delta, tensors=tensors))
    factors = {MATRIX + ".left": torch.zeros(5, 1), MATRIX + ".right": torch.zeros(1, 128)}
    with pytest.raises(WeightsError, match=f"unexpected none, of another shape {MATRIX}"):
        apply(base, replace(delta, tensors=factors))


def test_a_changed_number_is_noticed(base: DualEncoder) -> None:
    delta = make_delta(base, make_adapted(base), FULL)
    tensors = {**delta.tensors, NORM: delta.tensors[NORM] + 1}
    with pytest.raises(WeightsError, match="do not give the weights that were learned: the difference is damaged"):
        apply(base, replace(delta, tensors=tensors))


def test_bytes_that_are_none(base: DualEncoder) -> None:
    with pytest.raises(UnreadableError, match="the bytes are no difference that medkt wrote"):
        from_bytes(b"nothing of the kind")
    with pytest.raises(UnreadableError, match="the bytes are no difference that medkt wrote"):
        from_bytes(save({"a": torch.zeros(1)}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, m: m.update(format="9"), "a difference of format 9, this medkt reads 1"),
        (lambda t, m: m.update(kind="magic"), "of the unknown kind 'magic'; known: full, low-rank, lora"),
        (lambda t, m: t.pop(MATRIX + ".right"), f"without a fitting other half: {MATRIX}.left"),
        (lambda t, m: t.pop(MATRIX + ".left"), f"without a fitting other half: {MATRIX}.right"),
        (lambda t, m: t.update({MATRIX + ".left": torch.zeros(2, 99)}), f"without a fitting other half: {MATRIX}.left"),
        (lambda t, m: t[NORM].fill_(torch.nan), f"NaN or infinity in {NORM}"),
    ],
)  # fmt: skip
def test_damaged_files(
    base: DualEncoder, change: Callable[[dict[str, torch.Tensor], dict[str, str]], None], message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        from_bytes(damaged(change, base))


def test_no_difference_to_make(base: DualEncoder) -> None:
    with pytest.raises(WeightsError, match="the two encoders have the same weights"):
        make_delta(base, copy_encoder(base))
    shapeless = copy_encoder(base)
    shapeless.module.get_submodule("image.blocks.5").norm1 = torch.nn.LayerNorm(3)
    with pytest.raises(
        WeightsError, match=r"not of one architecture: missing none, .* another shape image.blocks.5.norm1"
    ):
        make_delta(base, shapeless)
    counted = copy_encoder(base)
    counter = torch.tensor(3)
    base.module.register_buffer("counter", torch.tensor(2))
    try:
        counted.module.register_buffer("counter", counter)
        with pytest.raises(WeightsError, match="these counters differ: counter"):
            make_delta(base, counted)
    finally:
        del base.module.counter


def test_numbers_too_large_for_the_storage(base: DualEncoder) -> None:
    with pytest.raises(WeightsError, match="NaN or infinity, or numbers that float16 cannot hold"):
        make_delta(base, make_adapted(base, size=1e7), DeltaSettings(kind="full", storage="float16"))


@pytest.mark.parametrize(("setting", "value"), [("energy", 0.0), ("energy", 1.5), ("max_bytes", 0), ("rank", 0)])
def test_settings_out_of_range(setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"delta setting {setting} cannot be"):
        DeltaSettings(**{setting: value})  # type: ignore[arg-type]
