"""The definition: recurrent networks in float64 and plain NumPy, which no implementation shares."""
