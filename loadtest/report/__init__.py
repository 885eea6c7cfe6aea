"""The page of a run: one file with its charts in it, asking no other host for anything."""
