"""LoRA by peft and Trainer with the recipe of lightune: all linear maps, two epochs at a one-cycle 2e-3."""

from __future__ import annotations

from benchmarks.peers.trainer import train_and_report, with_lora
from benchmarks.peers.work import Work

if __name__ == "__main__":
    train_and_report(
        Work(),
        lambda model: with_lora(model, "all-linear"),
        rate=2e-3,
        epochs=2,
        schedule="cosine",
        warmup=0.3,
    )
