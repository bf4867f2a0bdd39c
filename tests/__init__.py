"""The suite; a package, so that a test can import its neighbours (`from tests.tiny import tiny_model`)."""
