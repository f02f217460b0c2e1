"""A prediction service that keeps sessions: sequences that come step by step, one kernel call for all."""
