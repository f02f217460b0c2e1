"""What recurrent networks mean, as cases that any implementation can be asked: see README.md."""
