"""A new generation of a store, counted from its archive beside the one in force, and put in force in one step."""
