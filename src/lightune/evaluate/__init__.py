"""Arrays to numbers: metrics, their intervals, calibration. Knows no model and needs only NumPy."""
