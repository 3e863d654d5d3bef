"""What differs between two runs, and the first step at which they part. Reads files only."""
