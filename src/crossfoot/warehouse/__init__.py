"""Tables of a warehouse: what came in before anything was removed, what was counted of it, and the cells."""
