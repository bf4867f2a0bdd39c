"""Which part trains: one file per method."""
