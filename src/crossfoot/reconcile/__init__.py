"""Two results compared cell by cell, and the cause of each difference."""
