"""Benchmarks: seeded data, rivals in the same run, answers compared before any time is printed."""
