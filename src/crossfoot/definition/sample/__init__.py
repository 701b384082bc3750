"""Looking at a sample of the data: what its fields are, whether a definition fits it, and which one would."""
