"""Foundation with no business nouns: database, clock, periods, money, events, jobs, languages, metrics, logs."""
