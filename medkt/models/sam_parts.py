"""segment_anything's architecture without its predictor, whose import of torchvision is half of a start of medkt.

The package's `__init__` imports the predictor, that torchvision, that torch's compiler: 4 to 5 s of processor time,
of which nothing is used here. So the package is entered without running its `__init__`, which runs as soon as anybody
asks the package for a name that it gives.
"""

import importlib.util
import sys
from types import ModuleType

_NAME = "segment_anything"


class _Later(ModuleType):
    """A package whose `__init__` runs when a name is missing."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked for by the import system, which gives no name of the package's
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        self.__class__ = ModuleType  # type: ignore[assignment]
        loader = self.__spec__.loader if self.__spec__ else None
        if loader is not None:
            loader.exec_module(self)
        return getattr(self, name)


def _enter() -> None:
    spec = importlib.util.find_spec(_NAME)
    if _NAME in sys.modules or spec is None:  # imported whole already; or absent, which the import below says
        return
    package = importlib.util.module_from_spec(spec)
    package.__class__ = _Later
    sys.modules[_NAME] = package


_enter()

from segment_anything.build_sam import sam_model_registry  # noqa: E402, after the package is entered
from segment_anything.modeling import (  # noqa: E402
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

__all__ = ["ImageEncoderViT", "MaskDecoder", "PromptEncoder", "Sam", "TwoWayTransformer", "sam_model_registry"]
