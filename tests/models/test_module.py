"""An encoder's module in use: where it is, and left as it was."""

import pytest
import torch
from torch import nn

from medkt.models.module import device_of, frozen
from medkt.models.small import load_small


def test_frozen_restores_every_flag_after_a_failure() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5)).train()
    module[0].weight.requires_grad_(False)
    module[1].eval()
    before = ([p.requires_grad for p in module.parameters()], [m.training for m in module.modules()])
    with frozen(module):
        assert not any(p.requires_grad for p in module.parameters())
        assert not any(m.training for m in module.modules())
    with pytest.raises(ZeroDivisionError, match="division"), frozen(module):
        _ = 1 / 0
    assert before == ([p.requires_grad for p in module.parameters()], [m.training for m in module.modules()])


def test_the_device_is_that_of_the_parameters() -> None:
    assert device_of(load_small()) == torch.device("cpu")
