"""The report's own tables, as quoted, and what they imply."""
