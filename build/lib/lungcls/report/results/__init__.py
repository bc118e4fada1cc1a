"""The results pages: recorded measurements and runs, side by side with this build's."""
