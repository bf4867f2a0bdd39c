"""Bottleneck adapters equal the `adapters` library's, LoReFT pyreft's, on the same weights, to 1e-6.

Both libraries need an older transformers: they live in environments of their own, made by `make parity`.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lightune.methods._intervention import Intervention
from tests.making import TinyModel
from tests.methods.test_adapter import ADAPTERS, batch_of, load, make, shake

pytestmark = pytest.mark.parity
HERE = Path(__file__).parent
KNOWN = ("bert", "roberta", "distilbert", "electra", "deberta", "gpt2", "llama", "t5", "bart")


def ask(library: str, script: str, question: object) -> Any:
    """What a script says in the environment that has `library`; skips the test where there is none."""
    variable, folder = f"LIGHTUNE_{library.upper()}_PYTHON", HERE.parents[1] / f".venv-{library}"
    program = os.environ.get(variable, str(folder / "bin" / "python"))
    if variable not in os.environ and not (folder / ".setup-done").exists():
        pytest.skip(
            f"no environment with {library}: `make parity` makes it, or name its python in {variable}"
        )
    done = subprocess.run(
        [program, str(HERE / script)],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_adapters_equal_the_librarys(tiny: TinyModel, tmp_path: Path) -> None:
    """Every kind on every architecture that both know, all layers and the top one."""
    asked, ours = [], {}
    for kind in KNOWN:
        for name in ADAPTERS:
            for layers in (None, 1):
                backbone = load(tiny(kind, num_layers=2))
                method = make(name, layers=layers)
                method.apply(backbone)
                shake(backbone)
                batch = batch_of(backbone)
                batch = replace(batch, token_type_ids=None)
                folder = tmp_path / f"{kind}-{name}-{layers}"
                folder.mkdir()
                method.save(backbone, folder)
                with torch.no_grad():
                    assert not torch.allclose(method.forward(backbone, batch), backbone.plain_forward(batch))
                    ours[kind, name, layers] = method.forward(backbone, batch)
                asked.append(
                    {
                        "model": str(tiny(kind, num_layers=2)),
                        "adapters": str(folder / "adapters"),
                        "labels": 3,
                        "pad": backbone.pad_id,
                        "ids": batch.input_ids.tolist(),
                        "mask": batch.attention_mask.tolist(),
                    }
                )
    theirs = ask("adapters", "adapters_logits.py", asked)
    apart = {
        key: float((torch.tensor(one) - ours[key]).abs().max()) for key, one in zip(ours, theirs, strict=True)
    }
    assert {key: one for key, one in apart.items() if one > 1e-6} == {}


def test_loreft_equals_pyrefts() -> None:
    torch.manual_seed(0)
    change = Intervention(16, 4, 0.0)
    hidden = torch.randn(3, 5, 16)
    with torch.no_grad():
        for parameter in change.parameters():
            parameter.add_(torch.randn_like(parameter))
        ours = hidden + change(hidden)
        question = {
            "rotation": change.rotation.weight.tolist(),
            "source": change.source.weight.tolist(),
            "bias": change.source.bias.tolist(),
            "hidden": hidden.tolist(),
        }
    theirs = torch.tensor(ask("pyreft", "pyreft_changes.py", question))
    assert (ours - hidden).abs().max() > 0.1
    assert torch.allclose(ours, theirs, atol=1e-5, rtol=1e-6)
