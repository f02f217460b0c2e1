"""What is checked here is never run."""

collect_ignore = ["user.py"]
