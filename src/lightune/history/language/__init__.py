"""Language models trained from nothing or continued: a file here is a `--kind` of `lightune pretrain`."""
