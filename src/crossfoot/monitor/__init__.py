"""How many copies come in, how many are left after they were removed, how much comes late; measured, not assumed."""
