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
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    common: dict[str, Any] = {"vocab_size": size, "special_tokens": list(specials), "show_progress": False}
    if scheme == "wordpiece":
        return _learn_wordpiece(corpus, common)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE() if scheme == "bpe" else models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    kind = trainers.BpeTrainer if scheme == "bpe" else trainers.UnigramTrainer
    tokenizer.train_from_iterator(_lines(corpus), kind(initial_alphabet=alphabet, **common))
    return tokenizer


def _learn_wordpiece(corpus: Corpus, common: dict[str, Any]) -> Any:
    """Letters inside words get their numbers first: the trainer would else break ties at random."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    specials = common["special_tokens"]
    learnt = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learnt.normalizer = normalizers.BertNormalizer(lowercase=True)
    learnt.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    letters: set[str] = set()
    for text in _lines(corpus):
        letters.update(learnt.normalizer.normalize_str(text))
    inner = [f"##{one}" for one in sorted(letters) if not one.isspace()]
    trainer = trainers.WordPieceTrainer(**{**common, "special_tokens": [*specials, *inner]})
    learnt.train_from_iterator(_lines(corpus), trainer)
    tokenizer = Tokenizer(models.WordPiece(learnt.get_vocab(), unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = learnt.normalizer, learnt.pre_tokenizer
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(specials)
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
