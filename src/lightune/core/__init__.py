"""What every layer may use: errors, settings, plugins by file name, rows, progress, places on disk."""
