"""A recount by SQL, written hour by hour: what `crossfoot batch` does."""

from crossfoot.services.batch.run import Job, Report, run

__all__ = ["Job", "Report", "run"]
