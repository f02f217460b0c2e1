"""A prediction service that keeps sessions: many sequences that come step by step, one kernel call for all."""
