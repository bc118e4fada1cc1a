"""Which nodules does a network find alike? The nearest training cases of one test case."""
