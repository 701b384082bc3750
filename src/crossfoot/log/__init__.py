"""Our own log: positions and stamps for inputs that have none."""
