"""The archive: what was counted, in its order, kept for recounts and explanations."""
