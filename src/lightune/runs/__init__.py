"""What a run leaves for a person to read: the report, the model card, their charts."""
