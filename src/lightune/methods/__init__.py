"""Which part trains: one file per method; a family is a file that yields several."""

FAMILIES = ("peft",)
