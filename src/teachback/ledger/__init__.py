"""The ledger: every paid call with its cost, and the hard budget that no call may pass."""
