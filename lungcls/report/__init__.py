"""What the book needs: quoted and recorded results, claims, tables, plots, execution and rendering.

Nothing below may import it. What computes a score belongs in `metrics`, what trains in `runs`.
"""
