"""What a run did, as lines for a person and as plain data for a program, and the console."""
