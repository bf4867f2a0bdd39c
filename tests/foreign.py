"""Adapter folders as plain peft writes them, with trained-looking weights and the logits that peft gives."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.making import sentences

TEXTS = [text for text, _ in sentences(6, seed=4)]
CLASSES = {
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "CAUSAL_LM": "AutoModelForCausalLM",
}
SIZES = {"block_size", "oft_block_size", "boft_block_size", "vector_length", "group_size"}
PROMPTS = {"prompt_tuning", "p_tuning", "prefix_tuning"}
MAPS = {"bert": ["query", "value"], "llama": ["q_proj", "v_proj"], "gpt2": ["c_attn"]}


@dataclass(frozen=True)
class Foreign:
    """An adapter folder and the logits of plain peft, one array a text: (C,), or (T, C) by token."""

    folder: Path
    logits: list[Any]


def peft_config(name: str, kind: str, task_type: str, **more: Any) -> Any:
    """Peft's own configuration of a tuner for a tiny model."""
    from dataclasses import fields

    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    made = PEFT_TYPE_TO_CONFIG_MAPPING["LORA" if name == "dora" else name.upper()]
    known = {one.name: one.default for one in fields(made)}
    told: dict[str, Any] = {"task_type": task_type, "target_modules": MAPS[kind], "r": 4}
    told |= {"num_virtual_tokens": 5, "feedforward_modules": [], "n_frequency": 20, "total_step": 10}
    told |= {"use_dora": True} if name == "dora" else {}
    told |= {"target_modules": ["LayerNorm"]} if name == "ln_tuning" else {}
    told |= dict.fromkeys(SIZES, 4)
    told |= {"r": 0} if name == "oft" else {}
    if name in PROMPTS:
        told.pop("target_modules")
    return made(**{key: value for key, value in told.items() if key in known} | more)


def make_foreign(
    folder: Path,
    model: Path,
    name: str,
    *,
    kind: str = "bert",
    task_type: str = "SEQ_CLS",
    num_labels: int = 3,
    id2label: dict[int, str] | None = None,
    **more: Any,
) -> Foreign:
    """Wrap a tiny model by peft, move every weight that trains, save, and ask the reopened one."""
    import peft
    import torch
    import transformers

    auto = getattr(transformers, CLASSES[task_type])
    known = {} if task_type == "CAUSAL_LM" else {"num_labels": num_labels}
    known |= {"id2label": id2label} if id2label else {}
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = peft.get_peft_model(
            auto.from_pretrained(model, **known), peft_config(name, kind, task_type, **more)
        )
        for parameter in wrapped.parameters():
            if parameter.requires_grad:
                parameter.data += 0.05 * torch.randn_like(parameter)
        wrapped.save_pretrained(folder)
        opened = peft.PeftModel.from_pretrained(auto.from_pretrained(model, **known), str(folder)).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    logits = []
    for text in TEXTS:
        with torch.no_grad():
            inputs = tokenizer(text, return_tensors="pt")
            found = opened(**inputs).logits[0].numpy()
        logits.append(found if task_type == "SEQ_CLS" else found[-inputs["input_ids"].shape[1] :])
    return Foreign(folder, logits)


def differences(one: list[Any], other: list[Any]) -> float:
    """The largest difference of any two numbers."""
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in zip(one, other, strict=True))
