"""How fast and how trustworthy the path tracker is: `python -m benchmarks --help`."""
