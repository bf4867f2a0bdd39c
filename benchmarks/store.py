"""What the activation store costs and gives: its share of the first epoch, and reading against computing.

MiniLM on movie sentences, stored at every depth that a method could cut at. For each: seconds of computing
all texts with nothing stored, of computing and storing them (as many passes at once in both), and of reading
them back in training batches, whose pages the system may still hold, as it does in a second epoch.

python benchmarks/store.py --rows 4000
python benchmarks/store.py --sealed     # plain against encrypted: random numbers of the same shape, no model
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frontier import RESULTS, machine, write_parts

FILE = RESULTS / "store.json"
MODEL, BATCH_ROWS = "minilm", 32
WIDTH, TOKENS = 384, 26  # of MiniLM, and of a movie sentence on average


def measure(file: Path) -> dict[int, dict[str, float]]:
    """{depth: {compute, fill, read (seconds), share (of storing), times (computing over reading)}}."""
    from lightune.backbones.base import Tap
    from lightune.backbones.streams import in_streams, num_streams, tokens_of_pass
    from lightune.core.progress import Show
    from lightune.core.rows import Decisions
    from lightune.engine.batches import epoch_steps, sequence_batches
    from lightune.engine.predict import READ_TOKENS
    from lightune.request import Request
    from lightune.steps.gather import gather
    from lightune.steps.prepare import choose_method, choose_model, open_unread
    from lightune.steps.reading import below_in, read_once

    show = Show(is_quiet=True)
    request = Request(data=str(file), model=MODEL, method="side", groups={"data": {"max_length": 128}})
    gathered = gather(request, show)
    source = choose_model(request, gathered, show)
    prepared = open_unread(request, gathered, source, choose_method(request, gathered))
    backbone, tokens, pace = prepared.backbone, prepared.tokens, prepared.pace
    steps = epoch_steps(tokens, gathered.train, batch_rows=BATCH_ROWS, batch_tokens=10**6, seed=0, epoch=0)
    batches = [tokens.batch(step.pieces[0], pad_id=backbone.pad_id) for step in steps]
    streams = num_streams(tokens.num_tokens, backbone.device, backbone.storage)
    whole = sequence_batches(tokens.lengths, gathered.train, tokens_of_pass(READ_TOKENS, streams))
    below = below_in(pace.precision, backbone)

    def compute_alone(tap: Tap, part: Any) -> None:
        batch = tokens.batch(part, pad_id=backbone.pad_id)
        below(batch, [tap])

    found: dict[int, dict[str, float]] = {}
    for depth in range(1, backbone.depth + 1):
        tap = Tap(depth)
        began = time.perf_counter()
        for _ in in_streams(partial(compute_alone, tap), whole, streams):
            pass
        compute = (time.perf_counter() - began) * tokens.num_examples / len(gathered.train)
        filled = read_once(backbone, tokens, (tap,), pace, request.cache, Decisions(), show)
        assert filled is not None
        began = time.perf_counter()
        for batch in batches:
            filled.read(batch)
        read = (time.perf_counter() - began) * tokens.num_examples / len(gathered.train)
        share, times = filled.seconds / compute - 1, compute / read
        seconds = {"compute": compute, "fill": filled.seconds, "read": read}
        found[depth] = {**seconds, "share": share, "times": times}
        print(
            f"depth {depth}: computed in {compute:5.1f} s, and stored in {filled.seconds:5.1f} s "
            f"({share:+.0%}); read in {read:5.2f} s, {times:5.1f} times faster",
            flush=True,
        )
    return found


def sealed(num_rows: int) -> dict[str, Any]:
    """{plain, sealed: {write, read (seconds of an epoch of shuffled steps), megabytes_a_second}}, times."""
    from dataclasses import replace

    from lightune.backbones.base import Tap
    from lightune.engine import activations as store
    from lightune.engine.sealed import VARIABLE

    os.environ[VARIABLE] = "a key for this benchmark alone"
    random = np.random.default_rng(0)
    lengths = random.integers(TOKENS // 2, TOKENS * 3 // 2 + 1, num_rows)
    rows = random.standard_normal((int(lengths.sum()), WIDTH)).astype(np.float16)
    keys = [number.to_bytes(store.KEY_BYTES, "big") for number in range(num_rows)]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    per_shard = store.SHARD_BYTES // (WIDTH * 2 * TOKENS)
    order = np.array_split(random.permutation(num_rows), num_rows // BATCH_ROWS)
    space = store.Space("synthetic", "0", 6, "tokens", "float16", "none", WIDTH)
    found: dict[str, Any] = {}
    for name in ("plain", "sealed"):
        shelf = store.Shelf(replace(space, is_sealed=name == "sealed"))
        began = time.perf_counter()
        for first in range(0, num_rows, per_shard):
            some = slice(first, first + per_shard)
            last = min(first + per_shard, num_rows)
            shelf.write(keys[some], lengths[some], [rows[starts[first] : starts[last]]])
        write = time.perf_counter() - began
        stored = store.StoredActivations(shelf, keys, Tap(6))
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            for sequences in order:
                stored.rows(sequences)
            taken.append(time.perf_counter() - began)
        read = float(np.median(taken))
        found[name] = {"write": write, "read": read, "megabytes_a_second": rows.nbytes / 1e6 / read}
        print(
            f"{name}: {rows.nbytes / 1e6:.0f} MB written in {write:.2f} s, read in {read:.2f} s", flush=True
        )
    return {**found, "rows": num_rows, "times": found["sealed"]["read"] / found["plain"]["read"]}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--sealed", action="store_true", help="plain against encrypted reading")
    asked = parser.parse_args()
    from lightune.core.paths import cache_folder

    known = cache_folder()
    record = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        train, _ = write_parts("movies", Path(name), asked.rows, 100)
        os.environ["LIGHTUNE_CACHE"] = name
        if asked.sealed:
            record["sealed"] = {**sealed(asked.rows), **machine()}
        else:
            (Path(name) / "models").symlink_to(known / "models")
            record = {**record, "rows": asked.rows, "depths": measure(train), **machine()}
    FILE.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
