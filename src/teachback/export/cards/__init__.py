"""Cards of a run's rows and of its student, in the Hub's form, made from the run's folder alone."""
