"""A definition as an Apache Beam pipeline: blocks to shards, their bytes in keyed state, and what leaves to the sinks.

Apache Beam is imported in this room only.
"""
