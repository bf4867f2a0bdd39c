"""Trains one run after another, each in a process of its own, some of which are killed on the way.

stdin: JSON [{asked, kill, cache}], `asked` for `train_tiny`, `cache` a cache folder, `kill` null or one of

    {"at": "step", "number": n, "saves": true}  SIGKILL behind the n-th step, whose work is thus lost
    {"at": "fill", "number": n}                 SIGKILL in the middle of writing the n-th shard of activations

stdout: JSON [{"signal": 9 or 0, "code": exit code, "left": [epoch, step in it] of the checkpoint or null}].
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import torch

from lightune.engine import activations, checkpoint, loop, sealed
from tests.making import train_tiny

PATHS = {"folder", "model"}


def dying_after(original, number):
    """`original`, after whose n-th call the process is gone."""
    calls = 0

    def call(*given, **named):
        nonlocal calls
        found = original(*given, **named)
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return call


def run(asked, kill):
    """Train, or die."""
    activations.SHARD_BYTES = 1  # a shard a batch
    if kill and kill["at"] == "step":
        if kill["saves"]:  # a checkpoint behind every step
            loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, 1e9
        loop.train_step = dying_after(loop.train_step, kill["number"])
    if kill and kill["at"] == "fill":
        sealed.save_array = dying_after(sealed.save_array, kill["number"])
    train_tiny(**asked)


def die_or_finish(asked, kill, cache):
    """What the child does; it never returns."""
    os.environ["LIGHTUNE_CACHE"] = cache
    try:
        run(asked, kill)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def main():
    """Fork for every job: the first training of a process, with its imports, takes longer than all others."""
    torch.set_num_threads(1)
    jobs = json.load(sys.stdin)
    ends = []
    for number, job in enumerate([jobs[0], *jobs]):
        asked = {name: Path(one) if name in PATHS else one for name, one in job["asked"].items()}
        if number == 0:
            train_tiny(**{**asked, "output": job["cache"] + "-warm"})
            continue
        child = os.fork()
        if child == 0:
            die_or_finish(asked, job["kill"], job["cache"])
        _, status = os.waitpid(child, 0)
        left = checkpoint.load(asked["folder"] / ".run.partial")
        place = left and (left.progress.epoch, left.progress.step_in_epoch)
        ends.append({"signal": status & 127, "code": status >> 8, "left": place})
    print(json.dumps(ends))


main()
