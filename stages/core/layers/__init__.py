"""Layers whose bytes do not depend on the processor, in place of PyTorch's whose bytes do: see "Same bytes" in stages/core/README.md.

A module each, so that a new one is in the code of no network but those that have it.
"""
