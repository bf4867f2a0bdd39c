"""Running it: batches, the activation store, the loop, checkpoints, the plan, prediction."""
