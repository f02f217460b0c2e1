"""The cases' files, from the definition: `python -m conformance.making`."""
