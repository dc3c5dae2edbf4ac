"""Pages, tables and sentences that readers get."""
