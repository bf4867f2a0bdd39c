"""Training neural language models: streams of tokens, masking, the loop, and networks as it sees them."""
