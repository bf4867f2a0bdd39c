"""The steps of the line, in order: gather, prepare, learn, measure, keep. `api.py` calls them."""
