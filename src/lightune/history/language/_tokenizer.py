"""Subword tokenizers: trained on a corpus by the `tokenizers` library, or given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from lightune.core.errors import UserError
from lightune.data.corpus import Corpus

Scheme = Literal["bpe", "wordpiece", "unigram"]


def learn_tokenizer(corpus: Corpus, scheme: Scheme, size: int, specials: Sequence[str]) -> Any:
    """A `tokenizers.Tokenizer` of at most `size` tokens, `specials` first (ids from 0).

    bpe works on bytes (Radford et al. 2019), so it can write every text and gives it back exactly; wordpiece
    (Schuster and Nakajima 2012) is BERT's, in lower case, and needs [UNK] among the specials; unigram
    (Kudo 2018) falls back to bytes.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    common: dict[str, Any] = {"vocab_size": size, "special_tokens": list(specials), "show_progress": False}
    if scheme == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece()
        trainer: Any = trainers.WordPieceTrainer(**common)
    else:
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        tokenizer = Tokenizer(models.BPE() if scheme == "bpe" else models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        kind = trainers.BpeTrainer if scheme == "bpe" else trainers.UnigramTrainer
        trainer = kind(initial_alphabet=alphabet, **common)
    tokenizer.train_from_iterator(_lines(corpus), trainer)
    return tokenizer


def open_tokenizer(source: str) -> Any:
    """The `tokenizers.Tokenizer` of a tokenizer.json, of a folder with one, or of a built-in model's name.

    Raises:
        UserError: there is none.
    """
    from tokenizers import Tokenizer

    path = Path(source).expanduser()
    if not path.exists():
        from lightune.backbones.source import resolve
        from lightune.core.progress import Show

        folder = resolve(source, Show(is_quiet=True), can_fetch=True).folder
        assert folder is not None
        path = folder
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        hint = "Give a tokenizer.json, or the folder of a model that has one."
        raise UserError("there is no tokenizer.json here", file=path.parent, hint=hint)
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise UserError(f"this tokenizer cannot be read: {error}", file=path) from None


def _lines(corpus: Corpus) -> Iterator[str]:
    yield from corpus.texts()
