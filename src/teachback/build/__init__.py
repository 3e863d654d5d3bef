"""From the names in a config to objects, and nothing else. What a round does is in the rooms."""
