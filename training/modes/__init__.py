"""How the work is spread over devices; the only place that knows a distribution library."""
