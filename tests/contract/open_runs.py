"""A fresh process that opens run folders: JSON [{run, texts}] on stdin, [{logits, labels}] on stdout."""

import json
import sys

import torch

import lightune


def answer(run_folder, texts):
    """Logits and predicted labels of one run."""
    run = lightune.load(run_folder)
    pairs = [tuple(text) for text in texts]
    return {
        "logits": run.logits(pairs).tolist(),
        "labels": [one.label for one in run.predict(pairs)],
        "backbone": str(run.backbone.model.config.name_or_path),
    }


torch.set_num_threads(1)
print(json.dumps([answer(one["run"], one["texts"]) for one in json.load(sys.stdin)]))
