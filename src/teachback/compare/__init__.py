"""Arms that differ in the criterion only, on the same seeds and draws."""
