"""LoReFT of pyreft's own on given weights.

JSON {rotation, source, bias, hidden} on stdin, the changed states on stdout.
"""

import contextlib
import io
import json
import sys

import torch

with contextlib.redirect_stdout(io.StringIO()):  # it greets on import
    from pyreft import LoreftIntervention

given = {name: torch.tensor(value) for name, value in json.load(sys.stdin).items()}
rank, width = given["source"].shape
change = LoreftIntervention(embed_dim=width, low_rank_dimension=rank, dtype=torch.float32)
saved = {"weight": given["source"], "bias": given["bias"], "rotate_layer": given["rotation"].T.contiguous()}
change.load_state_dict(saved)
change.eval()
with torch.no_grad():
    print(json.dumps(change(given["hidden"]).tolist()))
