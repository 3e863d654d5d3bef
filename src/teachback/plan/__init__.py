"""What a run would ask for, in calls, money and compute, before anything is sent."""
