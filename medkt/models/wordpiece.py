"""BERT word pieces from the files that lie beside a checkpoint; no hub, no network."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer, Tokenizer
from tokenizers.normalizers import BertNormalizer

from medkt.errors import WeightsError
from medkt.models.encoder import Tokens
from medkt.models.text_layers import TextPieces, pieces_of


class WordPieces:
    """Texts to word-piece ids, [CLS] before and [SEP] after, lower case."""

    def __init__(self, tokenizer: Tokenizer, length: int) -> None:
        tokenizer.no_padding()
        # Both kinds of text model here were trained on lower case; a cased tokenizer.json would go unnoticed.
        tokenizer.normalizer = BertNormalizer(lowercase=True)
        tokenizer.enable_truncation(length)
        self._tokenizer = tokenizer
        pad = tokenizer.token_to_id("[PAD]")
        if pad is None or None in (tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")):
            raise WeightsError("the tokenizer lacks [PAD], [CLS] or [SEP]: it is not a BERT tokenizer")
        self._pad = pad

    @property
    def size(self) -> int:
        """How many ids there are."""
        return self._tokenizer.get_vocab_size()

    @property
    def pad(self) -> int:
        """The id of padding."""
        return self._pad

    def __call__(self, texts: Sequence[str], device: torch.device) -> Tokens:
        """Texts to ids, padded to the longest of them."""
        encodings = self._tokenizer.encode_batch(list(texts))
        longest = max((len(encoding.ids) for encoding in encodings), default=0)
        ids = torch.full((len(encodings), longest), self.pad, dtype=torch.int64)
        mask = torch.zeros((len(encodings), longest), dtype=torch.bool)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
            mask[row, : len(encoding.ids)] = True
        cut = tuple(bool(encoding.overflowing) for encoding in encodings)
        return Tokens(ids=ids.to(device), mask=mask.to(device), truncated=cut)

    def pieces(self, text: str) -> TextPieces:
        """What one text is read as, cut where `__call__` cuts it."""
        return pieces_of(self._tokenizer.encode(text), text)


def read_word_pieces(folder: Path, length: int, entries: int) -> WordPieces:
    """The tokenizer of a model folder: its tokenizer.json, or else its vocab.txt.

    Args:
        folder: where the checkpoint lies.
        length: the most tokens of a text.
        entries: rows of the model's embedding table.

    Raises:
        WeightsError: neither file is there, one is damaged, or it has more ids than the model has embeddings.
    """
    whole, vocabulary = folder / "tokenizer.json", folder / "vocab.txt"
    try:
        if whole.is_file():
            tokenizer = Tokenizer.from_file(str(whole))
        elif vocabulary.is_file():
            # The wrapped tokenizer is the plain one; what is around it only repeats the options.
            tokenizer = Tokenizer.from_str(BertWordPieceTokenizer(str(vocabulary), lowercase=True).to_str())
        else:
            raise WeightsError(
                f"{folder} holds neither tokenizer.json nor vocab.txt: put the tokenizer files beside the weights"
            )
    except Exception as error:  # the tokenizers library raises the bare Exception
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"the tokenizer in {folder} is damaged: {error}") from error
    pieces = WordPieces(tokenizer, length)
    if pieces.size > entries:
        raise WeightsError(f"the tokenizer in {folder} has {pieces.size} ids, the model {entries} embeddings")
    return pieces
