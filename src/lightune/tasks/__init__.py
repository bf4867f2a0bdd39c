"""What is learnt: rows to examples, targets, loss, predictions. One file per task."""
