"""The tokenizer: byte-pair pieces learnt from reports and from plain words; lower case; no text is unknown to it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.normalizers import NFKC, Lowercase, Sequence
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from medkt.phantom.drawers import DRAWERS
from medkt.phantom.finding import findings
from small_model.corpus import known_attributes
from small_model.real_images import REAL
from small_model.reports import name_report, normal_report, training_report

WORDS = Path(__file__).with_name("words.txt")
"""Plain medical and English words; none that only a held-out finding has."""
SPECIAL = ("[PAD]", "[BEGIN]", "[END]")


def train_tokenizer(*, vocabulary: int = 4096, reports: int = 6000, seed: int = 0) -> Tokenizer:
    """Byte pairs with a byte alphabet, so every text has pieces; the same seed gives the same tokenizer."""
    tokenizer = Tokenizer(BPE())
    tokenizer.normalizer = Sequence([NFKC(), Lowercase()])
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
    tokenizer.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(SPECIAL), initial_alphabet=ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_texts(reports, seed), trainer)
    return tokenizer


def _texts(reports: int, seed: int) -> Iterator[str]:
    rng = np.random.default_rng((seed, 1))
    for domain, drawer in DRAWERS.items():
        for _ in range(reports // 4):
            attributes = drawer.draw_unnamed_attributes(rng)
            known = known_attributes(domain, "unnamed", attributes)
            yield training_report("unnamed", attributes, rng, domain, known=known).text
            yield normal_report(rng, domain).text
    for finding in findings().values():
        if not finding.held_out:
            yield from (name_report(finding, rng).text for _ in range(20))
    for kind in REAL.values():
        yield from kind.names * 5
    yield from WORDS.read_text(encoding="utf-8").split() * 3
