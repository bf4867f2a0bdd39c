"""Files to rows, checked: one file per format, columns found, problems named by line, rows split."""
