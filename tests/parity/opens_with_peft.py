"""Open a run folder with transformers and peft alone, as its card says, and print its logits as JSON.

    python opens_with_peft.py RUN TEXTS.json [RUN TEXTS.json ...]

TEXTS.json: a list of texts, or of [text, text] pairs. One line of JSON a run; nothing of lightune is needed.
"""

import json
import sys
from pathlib import Path

import torch
from peft import AutoPeftModelForSequenceClassification
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def open_run(folder):
    """(model, tokenizer) of a run folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not (Path(folder) / "adapter_config.json").exists():
        return AutoModelForSequenceClassification.from_pretrained(folder), tokenizer
    names = json.loads(Path(folder, "labels.json").read_text(encoding="utf-8"))
    return AutoPeftModelForSequenceClassification.from_pretrained(folder, id2label=names), tokenizer


def main(folder, texts_file):
    """Print {"logits", "labels", "num_labels", "is_lightune_there"}."""
    model, tokenizer = open_run(folder)
    model.eval()
    logits = []
    for text in json.loads(
        Path(texts_file).read_text(encoding="utf-8")
    ):  # one by one: no padding token is needed
        pair = [text] if isinstance(text, str) else text
        inputs = tokenizer(*pair, truncation=True, max_length=64, return_tensors="pt")
        with torch.no_grad():
            logits.append(model(**inputs).logits[0].tolist())
    labels = list(model.config.id2label.values())
    found = {"logits": logits, "labels": labels, "num_labels": model.config.num_labels}
    print(json.dumps(found | {"is_lightune_there": "lightune" in sys.modules}))


if __name__ == "__main__":
    for place in range(1, len(sys.argv), 2):
        main(*sys.argv[place : place + 2])
