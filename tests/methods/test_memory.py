"""Training in less memory: states computed again, a frozen part of few bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lightune
from lightune.core.errors import UserError
from lightune.request import Request
from lightune.steps import keep
from tests.cli.running import lightune as command
from tests.foreign import TEXTS
from tests.making import TinyModel, task_rows, train_tiny, write_csv

if TYPE_CHECKING:
    from lightune.backbones.transformer import Transformer

PAIRS = [(text,) for text in TEXTS]


def losses(folder: Path, model: Path, **method: Any) -> list[float]:
    """The loss of every step of a short training in float32."""
    seen: list[list[float]] = []
    original = keep.keep

    def look(outcome: keep.Outcome, work: Path, output: Path) -> None:
        seen.append(outcome.progress.step_losses)
        original(outcome, work, output)

    name = method.pop("name", "lora")
    groups = {"train": {"epochs": 2, "batch_rows": 8}, "method": method, "cache": {"dtype": "float32"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keep, "keep", look)
        train_tiny(folder, model, method=name, groups=groups, overwrite=True, precision="exact")
    return seen[0]


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        pytest.param("bert", {}, marks=pytest.mark.slow),
        ("bert", {"layers": 1, "dropout": 0.1, "base_dropout": True}),
        ("llama", {"layers": 1}),
        pytest.param("t5", {}, marks=pytest.mark.slow),
        pytest.param("bert", {"name": "full"}, marks=pytest.mark.slow),
    ],
)
def test_states_computed_again_give_the_same_losses(
    kind: str, method: dict[str, Any], tiny: TinyModel, tmp_path: Path
) -> None:
    model = tiny(kind, num_layers=2)
    one = losses(tmp_path, model, **method)
    other = losses(tmp_path, model, checkpointing=True, **method)
    assert np.abs(np.array(one) - np.array(other)).max() < 1e-5


def a_backbone(source: Path | str, *, is_recomputed: bool) -> Transformer:
    """A network with a new head, the same each time, whose layers train."""
    import torch

    from lightune.backbones.base import HeadSpec
    from lightune.backbones.transformer import Transformer

    torch.manual_seed(0)
    spec = HeadSpec("AutoModelForSequenceClassification", 2, "single_label_classification", ("a", "b"))
    backbone = Transformer.load(str(source), spec, head="standard", identifier="x", digest="x")
    backbone.set_training(0)
    if is_recomputed:
        backbone.recompute(0)
    return backbone


def test_layers_run_again_with_the_attention_they_ran_with(tiny: TinyModel) -> None:
    """Short texts in bfloat16 take another attention kernel, chosen by a context that the way back leaves."""
    import torch

    from lightune.backbones.precision import attending, computing

    found = []
    for is_recomputed in (False, True):
        backbone = a_backbone(tiny("bert", num_layers=2), is_recomputed=is_recomputed)
        batch = backbone.two_texts()
        torch.manual_seed(0)  # of the dropout
        with computing("bfloat16", "cpu"), attending("bfloat16", "cpu", batch):
            loss = backbone.forward(batch).float()[:, 0].sum()
        loss.backward()
        found.append([one.grad for one in backbone.layers()[0].parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_fewer_states_are_kept(tiny: TinyModel) -> None:
    """Numbers that the backward pass waits for, counted: hardly more than the layers' inputs."""
    import torch

    found = []
    for is_recomputed in (False, True):
        backbone = a_backbone(tiny("bert", num_layers=4), is_recomputed=is_recomputed)
        kept = 0

        def keep_it(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal kept
            kept += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep_it, lambda tensor: tensor):
            backbone.forward(backbone.two_texts())
        found.append(kept)
    assert found[1] < 0.5 * found[0]


@pytest.mark.parametrize("method", ["lora", "vera"])
def test_the_flag_takes_what_a_person_types(method: str) -> None:
    """From the command line every value is text."""
    asked = Request("data.csv", method=method, groups={"method": {"bits": "4"}})
    assert asked.method_settings(method).bits == 4
    with pytest.raises(UserError, match="should be 4 or 8"):
        Request("data.csv", method=method, groups={"method": {"bits": "5"}})


@pytest.fixture(scope="module")
def packed(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> dict[int | None, Path]:
    """Runs with the frozen part as it is, in 8 and in 4 bits."""
    found: dict[int | None, Path] = {}
    for bits in (None, 8, 4):
        folder = tmp_path_factory.mktemp(f"bits-{bits}")
        groups = {"train": {"epochs": 4}, "method": {"bits": bits, "layers": 1}}
        found[bits] = Path(
            train_tiny(folder, tiny("bert", num_layers=2), method="lora", groups=groups)["output"]
        )
    return found


@pytest.mark.parametrize("bits", [8, 4])
def test_few_bits_are_near_and_come_back(bits: int, packed: dict[int | None, Path]) -> None:
    run, plain = lightune.load(packed[bits]), lightune.load(packed[None])
    logits = run.logits(PAIRS)
    assert np.abs(logits - lightune.load(packed[bits]).logits(PAIRS)).max() < 1e-6
    difference = np.abs(logits - plain.logits(PAIRS)).max()
    assert 1e-6 < difference < 1.5
    layer = run.backbone.model.get_submodule(run.backbone.linear_paths(0)[0])
    base = getattr(layer, "base_layer", layer)
    blocks = base.parametrizations.weight.original0
    assert blocks.element_size() == 1
    assert blocks.numel() == base.weight.numel() // 32 * {8: 34, 4: 20}[bits]
    assert run.backbone.model.get_submodule("classifier").weight.element_size() == 4


def test_stored_states_of_few_bits_are_kept_apart(packed: dict[int | None, Path]) -> None:
    """The same texts on the same model: each way of storing it reads them for itself."""
    for bits in (8, 4):
        summary = json.loads((packed[bits] / "metrics.json").read_text(encoding="utf-8"))
        assert summary["sequences_read"] > 0
        assert summary["sequences_found"] == 0


def test_merging_few_bits_is_refused(packed: dict[int | None, Path], tmp_path: Path) -> None:
    ended = command("merge", packed[4], "--output", tmp_path / "merged")
    assert ended.code == 2
    assert "would change the answers" in ended.err or "cannot merge" in ended.err


@pytest.mark.parametrize("bits", [8, 4])
def test_blocks_unpack_as_gguf_does(bits: int) -> None:
    """Equal to the last bit; what came from such blocks comes back whole."""
    import torch
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    from lightune.backbones.few_bits import FORMATS, Block

    weights = torch.randn(48, 96, generator=torch.Generator().manual_seed(0))
    weights[0] = 0  # a block without a scale
    block = Block(bits, 96)
    [packed] = block.right_inverse(weights)
    found = block(packed)
    expected = dequantize(packed.numpy(), GGMLQuantizationType[FORMATS[bits]])
    assert np.array_equal(found.numpy(), expected)
    assert (found - weights).abs().max() < {8: 0.02, 4: 0.25}[bits]
    assert torch.equal(block(block.right_inverse(found)[0]), found)


@pytest.mark.parametrize(("method", "kind"), [("dora", "bert"), ("ia3", "gpt2"), ("vera", "bert")])
def test_other_tuners_on_few_bits(method: str, kind: str, tiny: TinyModel, tmp_path: Path) -> None:
    """Peft's own code reads the weights as if they were numbers."""
    groups = {"train": {"epochs": 1}, "method": {"bits": 4}}
    made = train_tiny(tmp_path, tiny(kind, num_layers=2), method=method, groups=groups)
    runs = [lightune.load(made["output"]) for _ in range(2)]
    packed = [name for name, _ in runs[0].backbone.model.named_parameters() if "parametrizations" in name]
    assert len(packed) == {"bert": 12, "gpt2": 8}[kind]
    one, other = (run.logits(PAIRS) for run in runs)
    assert np.array_equal(one, other)


def test_a_model_without_whole_blocks_is_refused(tiny: TinyModel, tmp_path: Path) -> None:
    import transformers

    narrow = tmp_path / "narrow"
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 40}
    source = tiny("bert", num_layers=2)
    known = transformers.AutoTokenizer.from_pretrained(source)
    known.save_pretrained(narrow)
    transformers.BertModel(transformers.BertConfig(vocab_size=len(known), **sizes)).save_pretrained(narrow)
    with pytest.raises(UserError, match="few bits"):
        train_tiny(tmp_path, narrow, method="lora", groups={"method": {"bits": 4}})


@pytest.mark.parametrize("bits", [8, 4])
def test_a_decoder_of_few_bits_learns(bits: int, tiny: TinyModel, tmp_path: Path) -> None:
    rows, header, text = task_rows("instruct")
    data = write_csv(tmp_path / "data.csv", rows, header)
    groups = {"train": {"epochs": 3}, "method": {"bits": bits, "checkpointing": True}}
    asked: dict[str, Any] = {"data": data, "task": "instruct", "text": (text,), "label": "label"}
    made = train_tiny(tmp_path, tiny("llama", num_layers=2), method="lora", groups=groups, **asked)
    assert made["final_loss"] < made["epochs"][0]["train_loss"]
    assert len(lightune.load(made["output"]).generate(TEXTS[:2])) == 2
