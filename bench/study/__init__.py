"""The study of selection criteria: plans, their tasks and students, and what they showed."""
