"""Roll-ups: tables of events by key and pane of time, kept current from the tables of events."""
