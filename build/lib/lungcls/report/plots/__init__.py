"""Figures: functions that take arrays, compute nothing and return a matplotlib figure."""
