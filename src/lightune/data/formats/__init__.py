"""One file per data format; the file name is the format's name."""
