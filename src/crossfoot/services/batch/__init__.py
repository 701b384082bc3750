"""A recount by SQL, written hour by hour: what `crossfoot batch` does."""

from crossfoot.services.batch.run import Job, Report, Watch, run

__all__ = ["Job", "Report", "Watch", "run"]
