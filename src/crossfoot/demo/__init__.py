"""The demo: real data as a faulty pipeline delivers it, counted exactly, and checked by a second program."""
