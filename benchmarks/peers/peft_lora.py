"""LoRA as the peft examples have it: query and value, rank 8, three epochs at a linear 1e-3."""

from __future__ import annotations

from benchmarks.peers.trainer import train_and_report, with_lora
from benchmarks.peers.work import Work

if __name__ == "__main__":
    train_and_report(
        Work(),
        lambda model: with_lora(model, ["query", "value"]),
        rate=1e-3,
        epochs=3,
        schedule="linear",
        warmup=0,
    )
