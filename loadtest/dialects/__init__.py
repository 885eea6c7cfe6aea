"""What is asked and how answers are read, in each of the service's dialects; no network here."""
