"""The network that a graph holds: found, proved against the graph, imported and exported."""
