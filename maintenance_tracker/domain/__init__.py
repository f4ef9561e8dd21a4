"""What a fault is, how faults are grouped and what may be done with a ticket: rules without database."""
