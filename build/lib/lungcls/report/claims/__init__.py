"""The ledger of what the report states, the estimates that decide it, and the verdicts."""
