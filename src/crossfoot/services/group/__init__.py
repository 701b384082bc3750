"""What services that share a topic by a consumer group have in common."""
