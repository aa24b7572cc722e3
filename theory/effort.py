"""A bound on the work of an exact decision, so that it ends on every machine at the same place."""


class TooMuchWork(Exception):
    """More steps than allowed."""


class Effort:
    """Counts steps; `spend` raises TooMuchWork beyond the limit."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.spent = 0

    def spend(self, steps: int) -> None:
        """Count so many steps before they are done."""
        self.spent += steps
        if self.spent > self.limit:
            raise TooMuchWork(f"it takes more than the {self.limit:,} steps allowed")
