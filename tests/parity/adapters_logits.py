"""Open runs with the `adapters` library alone, as the card says: JSON [{...}] on stdin, [logits] on stdout.

Each: model (a folder), adapters (the folder of that format), labels (how many), ids and mask (B, T).
"""

import json
import sys
from pathlib import Path

import adapters
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification


def logits_of(asked):
    """(B, C) logits of one run."""
    model = AutoModelForSequenceClassification.from_pretrained(asked["model"], num_labels=asked["labels"])
    model.config.pad_token_id = asked["pad"]
    adapters.init(model)
    folder = asked["adapters"]
    model.load_adapter(folder, use_safetensors=True, set_active=True, with_head=False)
    saved = load_file(Path(folder) / "adapter.safetensors")
    missing = set(saved) - set(model.state_dict())
    assert not missing, f"the library has no place for {sorted(missing)}"
    model.load_state_dict(load_file(Path(folder) / "head.safetensors"), strict=False)
    model.eval()
    with torch.no_grad():
        inputs = {"input_ids": torch.tensor(asked["ids"]), "attention_mask": torch.tensor(asked["mask"])}
        return model(**inputs).logits.tolist()


torch.set_num_threads(1)
print(json.dumps([logits_of(one) for one in json.load(sys.stdin)]))
