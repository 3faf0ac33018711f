"""Devices and segmenters by name."""

import os

import torch

from medkt.errors import SettingsError
from medkt.facts import ModelFacts
from medkt.models.registry import load
from medkt.segmentation.segmenter import Segmenter


def load_segmenter(name: str = "small", *, device: str = "auto") -> Segmenter:
    """A promptable segmenter by name or from a weights file."""
    return segmenter_with_facts(name, resolve_device(device))[0]


def resolve_device(device: str) -> torch.device:
    """A torch device from "auto", "cpu", "cuda", "cuda:N" or "mps".

    Raises:
        SettingsError: unknown, or not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise SettingsError(f"no device {device!r}; use auto, cpu, cuda, cuda:N or mps") from error
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (found.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not there.get(found.type, False):
        raise SettingsError(f"device {device!r} is not available here; use cpu, or auto to take what there is")
    return found


def take_threads_of_worker() -> None:
    """Let this process compute with as many threads as its environment allows (`OMP_NUM_THREADS`), or with one."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def segmenter_with_facts(name: str, device: torch.device) -> tuple[Segmenter, ModelFacts]:
    """A segmenter, and which it is."""
    (segmenter, digest), record = load(name, "segmenter", device)
    return segmenter, ModelFacts(name=record.name, digest=digest, licence=record.licence.title)
