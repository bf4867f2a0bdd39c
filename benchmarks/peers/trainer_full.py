"""Every weight, by Trainer: three epochs at a linear 5e-5."""

from __future__ import annotations

from benchmarks.peers.trainer import train_and_report
from benchmarks.peers.work import Work

if __name__ == "__main__":
    train_and_report(Work(), lambda model: model, rate=5e-5, epochs=3, schedule="linear", warmup=0)
