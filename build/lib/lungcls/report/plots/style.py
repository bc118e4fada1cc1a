"""Colours of the figures, and the width of a page.

Colours are safe for colour-blind readers: scores 1..5 go from light to dark, so that
their order shows without the hue; benign and malignant are blue and orange-red.
"""

SCORE_COLOURS = {1: "#fda16e", 2: "#f1605d", 3: "#b73779", 4: "#721f81", 5: "#221150"}  # of "magma"
BINARY_COLOURS = {"benign": "#0072b2", "malignant": "#d55e00"}  # Okabe and Ito
NEUTRAL, MARK = "#5b6770", "#d55e00"
BAND = "#cfe3f1"  # a light blue: values stand in front of it
OUTLINE = "#ffb000"  # stands out on every grey level
WIDTH = 7.2  # inches: the width of a page of the book
