"""What a run will ask for before anything is sent: a bill with a low and a high end, and what the budget stops first.

values.py    what a plan is made of            course.py    rounds and pairs, as the loop and the ledger let them
roles.py     what one pair costs, by role      student.py   what the student has to read, write and keep
probe.py     the same, measured                estimate.py  all of it, as one Plan
asks.py      what a criterion asks others      wiring.py    from a config to all of this
"""
