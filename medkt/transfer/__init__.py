"""Fine-tuning on images made from words, what is kept of the base, and the difference as a file. Whether it carried the words is `medkt.audit`'s to say."""

from medkt.transfer.copies import interpolate
from medkt.transfer.finetune import Captions, FinetuneSettings, FinetuneStep, finetune
from medkt.transfer.rehearsal import Rehearsal
from medkt.transfer.trainable import TrainableParts, select

__all__ = [
    "Captions",
    "FinetuneSettings",
    "FinetuneStep",
    "Rehearsal",
    "TrainableParts",
    "finetune",
    "interpolate",
    "select",
]
