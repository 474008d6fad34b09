"""From facts to the one cause: the rules, the judge, the checklist."""
