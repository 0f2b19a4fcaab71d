"""Layers in place of PyTorch's: whose bytes do not depend on the processor ("Same bytes", stages/core/README.md), or to be compiled.

A module each, so that a new one is in the code of no network but those that have it.
"""
