"""Executes the notebooks, stages pages and executed copies, and renders the book."""
