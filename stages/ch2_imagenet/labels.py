"""The branches of Figures 2.9 and 2.10 in words, by their number in curves and stored maps."""

BRANCHES = {1: "side branch 1", 2: "side branch 2", 3: "side branch 3", 4: "side branch 4 (main)"}
